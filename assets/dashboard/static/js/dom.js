// el builds an element. Attributes that start with "on" are listeners; what is
// null or undefined is left out. Strings among the children become text nodes, and
// nothing in this page is ever parsed as markup: events are written by strangers.
export function el(name, attributes = {}, ...children) {
	const element = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) {
		if (value === undefined || value === null) continue;
		if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
		else element.setAttribute(key, value);
	}
	element.append(...children);
	return element;
}

export function byID(id) {
	return document.getElementById(id);
}

// say sets the text of element if it is another: a node that stays as it is keeps
// a selection, and no screen reader announces it again.
export function say(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

// mark sets an attribute if it is another, and takes it away if value is null.
export function mark(element, name, value) {
	if (value === null || value === undefined) element.removeAttribute(name);
	else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}
