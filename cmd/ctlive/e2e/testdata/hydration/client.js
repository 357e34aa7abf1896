const {createElement: h} = require("react");
const {hydrateRoot} = require("react-dom/client");
const {App} = require("./app.js");

window.recovered = [];
hydrateRoot(document, h(App), {onRecoverableError: (error) => recovered.push(String(error))});
