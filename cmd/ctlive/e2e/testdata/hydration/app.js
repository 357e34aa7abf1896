// A whole document by React, as frameworks render it: server and client build the same tree, one part of it late.
const {createElement: h, lazy, Suspense, useEffect, useState} = require("react");

const Late = lazy(() => new Promise((resolve) => {
  setTimeout(() => resolve({default: () => h("p", {id: "late"}, "here I am")}), 30);
}));

const Counter = () => {
  const [n, setN] = useState(0);
  return h("button", {onClick: () => setN(n + 1)}, "clicks: ", n);
};

exports.App = () => {
  useEffect(() => {
    window.hydrated = true;
    postMessage({name: "CTLiveEvent", type: "ChatStarted", object: {chatID: "c", userID: "u"}}, "*");
  }, []);
  return h("html", {lang: "en"},
    h("head", null,
      h("meta", {charSet: "utf-8"}),
      h("meta", {name: "viewport", content: "width=device-width"}),
      h("title", null, "A document by React"),
      h("style", null, "button { color: navy }")),
    h("body", null,
      h("h1", null, "Heading"),
      h(Counter),
      h(Suspense, {fallback: h("p", null, "wait")}, h(Late))));
};
