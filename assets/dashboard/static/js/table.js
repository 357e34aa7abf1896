import {el, mark, say} from "./dom.js";

// Table shows rows in a <table>. Further rows change the cells in place: what is
// focused, selected or scrolled to stays. A column has
//
//	title  its heading
//	text   (row) → what the cell says
//	small  (row) → what it adds in small print, optional
//	bar    (row) → a share from 0 to 1, drawn behind or below the text, optional
//	was    (row) → the same share in the previous range, optional
//	tone   (row) → "good", "warn" or "bad", optional
//	kind   "head" for the row's own heading, "number", or nothing
//
// attributes (row) → attributes of the row; none is said when there are no rows,
// unless show is given something else to say; besides says it below rows, too.
export class Table {
	constructor(table, columns, {attributes = () => ({}), none = ""} = {}) {
		this.table = table;
		this.columns = columns;
		this.attributes = attributes;
		this.body = el("tbody");
		this.empty = none;
		this.none = el("p", {class: "none", hidden: ""}, none);
		table.replaceChildren(el("thead", {}, el("tr", {}, ...columns.map(heading))), this.body);
		table.after(this.none);
	}

	show(rows, none = this.empty, besides = false) {
		say(this.none, none);
		while (this.body.rows.length > rows.length) this.body.lastChild.remove();
		rows.forEach((row, i) => this.fill(this.body.rows[i] ?? this.body.appendChild(this.line()), row));
		this.table.hidden = rows.length === 0;
		this.none.hidden = rows.length > 0 && !besides;
	}

	line() {
		return el("tr", {}, ...this.columns.map(column => column.kind === "head"
			? el("th", {scope: "row", class: column.bar ? "barred" : null}, el("span"))
			: el("td", {class: className(column)}, el("span"))));
	}

	fill(line, row) {
		for (const [name, value] of Object.entries(this.attributes(row))) mark(line, name, value);
		this.columns.forEach((column, i) => fillCell(line.children[i], column, row));
	}
}

function fillCell(cell, column, row) {
	say(cell.firstChild, column.text(row));
	if (column.tone) mark(cell, "data-tone", column.tone(row) || null);
	if (column.small) {
		if (!cell.children[1]) cell.append(el("small"));
		say(cell.children[1], column.small(row));
	}
	if (column.bar) cell.style.setProperty("--share", column.bar(row));
	if (column.was) {
		const was = column.was(row);
		mark(cell, "data-was", was === null ? null : "");
		cell.style.setProperty("--was", was ?? 0);
	}
}

function heading(column) {
	return column.title ? el("th", {scope: "col", class: className(column)}, column.title) : el("td", {class: className(column)});
}

function className(column) {
	return [column.kind === "number" ? "number" : "", column.class ?? ""].join(" ").trim() || null;
}

// Numbers is the table behind a chart: built when somebody opens it, and kept
// up to date from then on. build returns {columns, rows}.
export class Numbers {
	constructor(details) {
		this.details = details;
		this.table = details.querySelector("table");
		this.build = null;
		details.addEventListener("toggle", () => this.draw());
	}

	show(build) {
		this.build = build;
		this.draw();
	}

	draw() {
		if (!this.details.open || !this.build) return;
		const {columns, rows} = this.build();
		const titles = columns.map(({title}) => title).join("\n");
		if (this.titles !== titles) {
			this.shown?.none.remove();
			this.shown = new Table(this.table, columns);
			this.titles = titles;
		}
		this.shown.columns = columns;
		this.shown.show(rows);
	}
}
