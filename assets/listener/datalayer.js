/*
 * The data layer: tag managers find each event as {event: "CTLive.<Type>", ctlive: {…}}. It is a handler like the
 * operator's own, in the bundle only where the configuration asks for it.
 */
ctlive.on("*", (event) =>
  (window.dataLayer = window.dataLayer || []).push({event: "CTLive." + event.type, ctlive: event}));
