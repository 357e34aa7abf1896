package inject

import "bytes"

// maxUndecided bounds how much of a page is read in search of the place, in
// decoded bytes. Of real pages the last needed 4,053.
const maxUndecided = 64 << 10

// A decider reads the start of a page, after its content coding is taken off,
// and decides where the markup goes or why the page is left alone. It settles
// the character encoding on the way, since without it bytes are not characters.
//
// However the page is cut, a decider comes to the same decision at the same byte.
type decider struct {
	scanner
	decoder decoder

	size    int64  // bytes fed so far, at most maxUndecided
	header  string // encoding that the Content-Type names, or ""
	patient bool   // the decision waits for the encoding

	encoding string // once settled; "" if nothing names it
	source   string // what names it, one of the from… constants; "" until settled

	start   [prescanLength]byte // the first bytes of the page
	kept    int                 // how many of them there are
	scanned int                 // how many of them the scanner has seen
	scratch [prescanLength]byte // of lostDeclaration
}

// What names the encoding of a page, by falling rank (HTML Standard 13.2.3.2).
const (
	fromBOM         = "BOM"
	fromContentType = "Content-Type"
	fromMeta        = "meta" // or an XML declaration
	fromNothing     = "none"
)

// reset makes d ready for a page whose Content-Type names the encoding header,
// or "". A patient decider knows all about the page when it decides; the other
// decides as soon as the place is known, and may learn the encoding later.
func (d *decider) reset(header string, patient bool) {
	d.scanner, d.decoder = scanner{}, decoder{}
	d.size, d.header, d.patient = 0, header, patient
	d.encoding, d.source = "", ""
	d.kept, d.scanned = 0, 0
}

// done reports whether the decision is final.
func (d *decider) done() bool { return d.decided() && (d.settled() || !d.patient) }

// complete reports whether there is nothing more to learn about the page.
func (d *decider) complete() bool { return d.decided() && d.settled() }

func (d *decider) settled() bool { return d.source != "" }

// abandon leaves a page alone whose bytes do not lead to a decision.
func (d *decider) abandon(reason string) {
	d.leave(reason)
	if !d.settled() {
		d.settle("", fromNothing)
	}
}

// settleForNow takes what the page has declared so far for all that it declares.
func (d *decider) settleForNow() {
	if !d.settled() {
		d.sniff(true)
	}
}

// feed takes the next bytes of the page.
func (d *decider) feed(p []byte) {
	if d.complete() {
		return
	}
	p = p[:min(int64(len(p)), maxUndecided-d.size)]
	offset := d.size
	d.size += int64(len(p))
	n := copy(d.start[d.kept:], p)
	d.kept += n
	d.scanStart(false)
	d.scan(p[n:], offset+int64(n)) // if there is any, the encoding is settled and the start is scanned
	if d.size == maxUndecided {
		d.giveUp()
	}
}

// finish takes the end of the page.
func (d *decider) finish() {
	d.scanStart(true)
	end := d.size
	if d.decoder.hasHalf {
		end-- // half a UTF-16 unit at the end is not ours to complete
	}
	if d.decoder.escape > 0 && !d.decided() {
		d.leave("charset") // the markup would become part of the escape sequence
	}
	d.scanner.finish(end)
}

// scanStart scans the start of the page and settles its encoding.
func (d *decider) scanStart(end bool) {
	if d.scanned == 0 && !d.settled() && !d.signature(end) {
		return
	}
	d.scanClear()
	if !d.settled() {
		d.sniff(end)
		d.scanClear()
	}
}

// scanClear scans what is clear of the start. Until the encoding is settled that
// ends at the first escape, which may turn out to be one of ISO-2022-JP: in every
// other encoding that a page can declare, the place is found as in ASCII.
func (d *decider) scanClear() {
	clear := d.start[d.scanned:d.kept]
	if !d.settled() {
		if escape := bytes.IndexByte(clear, 0x1b); escape >= 0 {
			clear = clear[:escape]
		}
	}
	d.scan(clear, int64(d.scanned))
	d.scanned += len(clear)
}

func (d *decider) scan(p []byte, offset int64) {
	if !d.decided() {
		d.decoder.scan(&d.scanner, p, offset)
	}
}

// signatures are starts that tell the encoding. A BOM outranks every other sign
// and is not part of the text; "<?x" in UTF-16 only counts where there is none
// (HTML Standard 13.2.3.2).
var signatures = []struct {
	bytes, encoding string
	bom             bool
}{
	{"\xef\xbb\xbf", "utf-8", true},
	{"\xfe\xff", "utf-16be", true},
	{"\xff\xfe", "utf-16le", true},
	{"<\x00?\x00x\x00", "utf-16le", false},
	{"\x00<\x00?\x00x", "utf-16be", false},
}

// signature settles the encoding if the page starts with a signature or has
// none and a Content-Type that names one. It reports whether that is clear.
func (d *decider) signature(end bool) bool {
	for _, sig := range signatures {
		got := string(d.start[:min(d.kept, len(sig.bytes))])
		switch {
		case !sig.bom && d.header != "":
		case got == sig.bytes && sig.bom:
			d.scanned, d.mark = len(sig.bytes), int64(len(sig.bytes))
			d.settle(sig.encoding, fromBOM)
			return true
		case got == sig.bytes:
			d.settle(sig.encoding, fromMeta)
			return true
		case got == sig.bytes[:len(got)] && !end:
			return false
		}
	}
	if d.header != "" {
		d.settle(d.header, fromContentType)
	}
	return true
}

// sniff settles the encoding by what the page declares.
func (d *decider) sniff(end bool) {
	switch name, final := prescan(d.start[:d.kept]); {
	case name != "" && (final || end):
		d.settle(name, fromMeta)
	case final || end:
		d.settle("", fromNothing)
	}
}

func (d *decider) settle(encoding, source string) {
	d.encoding, d.source = encoding, source
	switch {
	case encoding == "replacement" && (d.patient || source == fromContentType):
		// The browser shows one U+FFFD for the whole page. One that says so
		// itself, perhaps after the decision, comes to no harm.
		d.leave("charset")
	case encoding == "utf-16le":
		d.decoder.unit = littleEndian
	case encoding == "utf-16be":
		d.decoder.unit = bigEndian
	case encoding == "iso-2022-jp":
		d.decoder.unit = shifted
	}
}

// lostDeclaration returns the encoding that the page declares within its first
// prescanLength bytes but no longer would with markup inserted, or "".
func (d *decider) lostDeclaration(markup []byte) string {
	if d.source != fromMeta || d.reason != "" || d.point >= prescanLength {
		return ""
	}
	page := d.scratch[:]
	n := copy(page, d.start[:d.point])
	n += copy(page[n:], markup)
	n += copy(page[n:], d.start[d.point:d.kept])
	if name, _ := prescan(page[:n]); name == d.encoding {
		return ""
	}
	return d.encoding
}
