/*
 * The loader of the operator's own code: a handler that stands before the listener in the bundle, where the
 * configuration names such code. That comes from the listener's own URL with a query, as a module that exports one
 * function.
 *
 * That code is a script of its own, so that a syntax error in it ends nothing else. It is imported, and not an element
 * made by script, because its errors then come back as a rejection, those of syntax and of the network among them,
 * where an element would send them to the page's error handlers. And import works under the policies that let the
 * listener run: it passes on the listener's nonce and the trust of 'strict-dynamic', it is no sink of Trusted Types,
 * and the exact path of the listener covers the code too, as queries are not matched (CSP Level 3, path-part match).
 * Two policies do not let it in: 'strict-dynamic' that trusts the listener by integrity, as on pages with Trusted Types
 * and no nonce, and one in the page's own markup that forbids scripts. There the code does not run, and the listener
 * reports an error.
 *
 * import is younger than ES2017. Every browser of the last five years has it.
 */
handlers.push(((source) => (ctlive) => new Promise((parsed) => {
  // Many of those browsers ignore an import map that comes after the first import.
  if (document.readyState == "loading") document.addEventListener("DOMContentLoaded", parsed);
  else parsed();
}).then(() => import(source + "?handlers")).then((code) => code.default(ctlive)))((document.currentScript || {}).src));
