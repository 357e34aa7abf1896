// The event types of the vendor, in the order in which a visitor walks through
// them. The style sheet has a colour for each.
export const TYPES = [
	"Loaded", "WidgetShown", "WidgetClicked", "DatacollectionStarted", "ChatStarted", "ChatOnline", "ChatFinished", "WidgetHidden",
];
