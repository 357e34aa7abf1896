// Prints the document as the server sends it: the shell, then the late part with React's inline scripts.
const {createElement: h} = require("react");
const {renderToPipeableStream} = require("react-dom/server");
const {App} = require("./app.js");

const {pipe} = renderToPipeableStream(h(App), {
  bootstrapScripts: ["client.js"],
  onShellReady: () => pipe(process.stdout),
  onError: (error) => { throw error; },
});
