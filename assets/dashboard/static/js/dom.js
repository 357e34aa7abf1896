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
