const {createElement: h} = require("react");
const {hydrateRoot} = require("react-dom/client");
const {App} = require("./app.js");

hydrateRoot(document, h(App), {onRecoverableError: (error) => complaints.push(String(error))});
