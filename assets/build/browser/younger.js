// Each name is gone, as in an older browser. Methods of prototypes leave a trap, so that the test can tell that one was
// called, and which.
var missed = [];
{
  const trap = (owner, name) => {
    if (owner && name in owner) Object.defineProperty(owner, name, {configurable: true, get() { missed.push(name); }});
  };
  const names = (text) => text.trim().split(/\s+/);
  const gone = {
    "globalThis": "structuredClone queueMicrotask reportError scheduler trustedTypes cookieStore Temporal Iterator",
    "Array.prototype": "flat flatMap at findLast findLastIndex toSorted toReversed toSpliced with",
    "String.prototype": "trimStart trimEnd matchAll replaceAll at isWellFormed toWellFormed",
    "Object": "fromEntries hasOwn groupBy",
    "Promise": "allSettled any withResolvers try",
    "Promise.prototype": "finally",
    "Array": "fromAsync",
    "Map": "groupBy",
    "Set.prototype": "union intersection difference isSubsetOf",
    "Uint8Array.prototype": "at findLast toHex toBase64 toSorted with",
    "Uint8Array": "fromHex fromBase64",
    "Crypto.prototype": "randomUUID",
    "Blob.prototype": "text arrayBuffer bytes stream",
    "Response": "json",
    "AbortSignal": "timeout any",
    "URL": "canParse parse",
    "Element.prototype": "setHTML setHTMLUnsafe replaceChildren checkVisibility",
    "Document.prototype": "prerendering wasDiscarded startViewTransition",
    "Navigator.prototype": "globalPrivacyControl locks userAgentData connection",
    "Performance.prototype": "measureUserAgentSpecificMemory",
  };
  for (const path in gone) {
    const owner = path == "globalThis" ? window : path.split(".").reduce((o, name) => o && o[name], window);
    // A page may ask whether these are there: they are properties that older browsers answer with undefined.
    const asked = names("prerendering globalPrivacyControl locks");
    for (const name of names(gone[path])) {
      if (!owner || !(name in owner)) continue;
      if (asked.includes(name)) Object.defineProperty(owner, name, {configurable: true, value: undefined});
      else trap(owner, name);
    }
  }
}
