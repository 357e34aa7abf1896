// An example for listener.handlers: your own code, with `ctlive` in scope.
// It runs on every page of the site, which itself stays as it is.
ctlive.on('ChatStarted', function (event) {
  document.documentElement.setAttribute('data-chat', event.object.chatID);
});
