/*
 * The inline script: first in <head>, it hears every message from there on and fetches the listener.
 *
 * What it owes the page: its own element goes first and it leaves none behind (hydration of a whole document fails on
 * an extra element), it never throws, and it keeps a bounded number of messages. With its tags it has 400 bytes, and no
 * "<" among them, which would be markup to a parser that takes the script for text.
 *
 * window.ctlive is the mailbox first and the API later. The object itself is registered for "message": browsers look
 * handleEvent up each time, so the listener takes over by replacing that method, without a gap.
 *
 * LOAD and PATH are filled in by the build and the server. A page that requires Trusted Types forbids setting src: it
 * gets LOAD = false, and the listener as an element of the markup instead.
 */
{
  let page = self, doc = document, tag = doc.currentScript, queue = [];
  let loader = LOAD && doc.createElement("script"); // async, as every script made by script
  tag.remove();

  if (!page.ctlive) { // a page injected twice still has one listener
    addEventListener("message", page.ctlive = {
      tag, // data-ctlive is the page's token
      queue,
      handleEvent(message) {
        try {
          // Unrelated data is let go here, by the test or by the exception: a name that is no string has no includes.
          // Foreign frames may fill a tenth of the queue at most. What finds no place is counted in queue.n.
          if ((message.data.name || message.data).includes("CTLiveEvent")) {
            if ((message.source == page ? 999 : 99) > queue.length) queue.push(message);
            else queue.n = -~queue.n; // 1 more, and 1 where there is none
          }
        } catch (_) {}
      },
    });

    if (LOAD) {
      loader.nonce = tag.nonce;
      loader.src = PATH;
      doc.head.append(loader);
      loader.remove(); // runs all the same
    }
  }
}
