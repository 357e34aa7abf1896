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
  let page = window, doc = document, tag = doc.currentScript, queue = [];
  tag.remove();

  if (!page.ctlive) { // a page injected twice still has one listener
    addEventListener("message", page.ctlive = {
      tag, // data-ctlive is the page's token
      queue,
      handleEvent(message) {
        try {
          // Foreign frames may fill a tenth of the queue at most. Unrelated data is let go here, by the test or by the
          // exception: a name that is no string has no includes.
          if ((message.source == page ? 999 : 99) > queue.length &&
              (message.data.name || message.data).includes("CTLiveEvent")) {
            queue.push(message);
          }
        } catch (_) {}
      },
    });

    if (LOAD) {
      let loader = doc.createElement("script"); // async, as every script made by script
      loader.nonce = tag.nonce;
      loader.src = PATH;
      doc.head.append(loader);
      loader.remove(); // runs all the same
    }
  }
}
