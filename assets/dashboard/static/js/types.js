// The event types in the order in which a visitor walks through them. The family
// says what the visitor is doing, and is what colours stand for.
const FAMILIES = {
	Loaded: "page",
	WidgetShown: "page",
	WidgetClicked: "interest",
	DatacollectionStarted: "interest",
	ChatStarted: "chat",
	ChatOnline: "chat",
	ChatFinished: "chat",
	WidgetHidden: "leave",
};

export const TYPES = Object.keys(FAMILIES);

export function family(type) {
	return Object.hasOwn(FAMILIES, type) ? FAMILIES[type] : "unknown";
}
