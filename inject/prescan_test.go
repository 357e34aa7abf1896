package inject

import (
	"bytes"
	"strings"
	"testing"
)

func TestPrescan(t *testing.T) {
	cases := []struct{ name, page, want string }{
		{"nothing", "", ""},
		{"charset", "<meta charset=utf-8>", "utf-8"},
		{"upper case", "<META CHARSET=UTF-8>", "utf-8"},
		{"quotes", `<meta charset="koi8-r"><meta charset='utf-8'>`, "koi8-r"},
		{"unclosed quote", `<meta charset="koi8-r><meta charset=utf-8>`, ""},
		{"space around", "<meta\f charset \n = \r ' koi8-r '>", "koi8-r"},
		{"slash for space", "<meta/charset=utf-8/>", ""},
		{"slash after", "<meta/charset=utf-8 />", "utf-8"},
		{"nothing follows", "<meta charset=utf-8", ""},
		{"value ends with the page", "<meta charset='utf-8'", ""},
		{"another name", "<metas charset=utf-8>", ""},
		{"no name", "<meta>", ""},
		{"name starts with equals", "<meta =charset=utf-8>", ""},
		{"first of two", "<meta charset=koi8-r charset=utf-8>", "koi8-r"},
		{"unknown, then known", "<meta charset=none><meta charset=utf-8>", "utf-8"},
		{"unknown, but content", `<meta charset=none http-equiv=content-type content="charset=utf-8">`, ""},
		{"empty", "<meta charset><meta charset=''><meta charset=>", ""},
		{"pragma", `<meta http-equiv=Content-Type content="text/html; charset=koi8-r">`, "koi8-r"},
		{"pragma after content", `<meta content="text/html; charset=koi8-r" http-equiv=Content-Type>`, "koi8-r"},
		{"no pragma", `<meta content="text/html; charset=koi8-r">`, ""},
		{"another pragma", `<meta http-equiv=refresh content="charset=koi8-r">`, ""},
		{"pragma and charset", `<meta http-equiv=content-type content="charset=koi8-r" charset=utf-8>`, "utf-8"},
		{"content: several", `<meta http-equiv=content-type content="charset charset = x; charset=utf-8">`, ""},
		{"content: label ends", `<meta http-equiv=content-type content="charset=koi8-r;x">`, "koi8-r"},
		{"content: label ends at space", `<meta http-equiv=content-type content="charset=koi8-r x">`, "koi8-r"},
		{"content: quotes", `<meta http-equiv=content-type content="charset='koi8-r' x">`, "koi8-r"},
		{"content: unclosed quote", `<meta http-equiv=content-type content="charset='koi8-r">`, ""},
		{"content: nothing after", `<meta http-equiv=content-type content="charset=">`, ""},
		{"content: name within", `<meta http-equiv=content-type content="xcharset=koi8-r">`, "koi8-r"},
		{"UTF-16", "<meta charset=utf-16be>", "utf-8"},
		{"user-defined", "<meta charset=x-user-defined>", "windows-1252"},
		{"comment", "<!-- <meta charset=koi8-r> --><meta charset=utf-8>", "utf-8"},
		{"comment, abrupt", "<!--><meta charset=utf-8>", "utf-8"},
		{"comment, dash", "<!---><meta charset=utf-8>", "utf-8"},
		{"comment, bang", "<!-- --!><meta charset=utf-8>", ""},
		{"bogus comment", "<!x '><meta charset=utf-8>", "utf-8"},
		{"instruction", "<?x '><meta charset=utf-8>", "utf-8"},
		{"end tag", "</a b='><meta charset=koi8-r>'><meta charset=utf-8>", "utf-8"},
		{"end tag of nothing", "</ b='><meta charset=utf-8>", "utf-8"},
		{"attribute", "<a b='><meta charset=koi8-r>'><meta charset=utf-8>", "utf-8"},
		{"tag name to slash", "<a/b='><meta charset=utf-8>'>", "utf-8"},
		{"script", "<script>'<meta charset=utf-8>'</script>", "utf-8"},
		{"less-than", "< <<meta charset=utf-8>", "utf-8"},
		{"xml", `<?xml version="1.0" encoding="koi8-r"?>`, "koi8-r"},
		{"xml, single quotes", `<?xml encoding='koi8-r'?>`, "koi8-r"},
		{"xml, spaces", "<?xml encoding \v = \x01 'koi8-r'?>", "koi8-r"},
		{"xml, space in label", "<?xml encoding=' koi8-r'?>", ""},
		{"xml, UTF-16", "<?xml encoding='utf-16'?>", "utf-8"},
		{"xml, unknown", "<?xml encoding='none'?>", ""},
		{"xml, no quotes", "<?xml encoding=koi8-r?>", ""},
		{"xml, not first", " <?xml encoding='koi8-r'?>", ""},
		{"xml, unclosed", "<?xml encoding='koi8-r'", ""},
		{"xml, then meta", "<?xml encoding='koi8-r'?><meta charset=utf-8>", "utf-8"},
		{"UTF-16LE declaration", "<\x00?\x00x\x00", "utf-16le"},
		{"UTF-16BE declaration", "\x00<\x00?\x00x", "utf-16be"},
		{"UTF-16 of something else", "<\x00!\x00", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := prescan([]byte(c.page)); got != c.want {
				t.Errorf("prescan: %q, want %q", got, c.want)
			}
			if got := literalPrescan([]byte(c.page)); got != c.want {
				t.Errorf("literalPrescan: %q, want %q", got, c.want)
			}
		})
	}
}

// literalPrescan is the algorithm of the HTML Standard 13.2.3.2, word by word.
// Reading past the end panics, which ends it.
func literalPrescan(page []byte) (result string) {
	var fallback string
	defer func() {
		if recover() != nil {
			result = fallback
		}
	}()
	switch {
	case bytes.HasPrefix(page, []byte("<\x00?\x00x\x00")):
		return "utf-16le"
	case bytes.HasPrefix(page, []byte("\x00<\x00?\x00x")):
		return "utf-16be"
	}
	fallback = literalXMLEncoding(page)
	l := &literal{page: page}
	for {
		switch rest := page[l.at:]; {
		case bytes.HasPrefix(rest, []byte("<!--")):
			l.at += 2
			for !bytes.HasPrefix(page[l.at:], []byte("-->")) {
				_ = page[l.at]
				l.at++
			}
			l.at += 2
		case len(rest) > 5 && strings.EqualFold(string(rest[:5]), "<meta") && strings.IndexByte(" \t\n\f\r/", rest[5]) >= 0:
			l.at += 5
			if encoding := l.meta(); encoding != "" {
				return encoding
			}
		case len(rest) > 1 && rest[0] == '<' && isLetter(rest[1]), len(rest) > 2 && string(rest[:2]) == "</" && isLetter(rest[2]):
			for strings.IndexByte(" \t\n\f\r>", page[l.at]) < 0 {
				l.at++
			}
			for name, _ := l.attribute(); name != ""; name, _ = l.attribute() {
			}
		case len(rest) > 1 && rest[0] == '<' && strings.IndexByte("!/?", rest[1]) >= 0:
			for page[l.at] != '>' {
				l.at++
			}
		}
		_ = page[l.at]
		l.at++
	}
}

type literal struct {
	page []byte
	at   int
}

func (l *literal) meta() string {
	seen := make(map[string]bool)
	gotPragma, needPragma, charset := false, "null", "null"
	for {
		name, value := l.attribute()
		if name == "" {
			break
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		switch name {
		case "http-equiv":
			gotPragma = gotPragma || value == "content-type"
		case "content":
			if found := encodingName(string(charsetInContent([]byte(value)))); found != "" && charset == "null" {
				charset, needPragma = found, "true"
			}
		case "charset":
			charset, needPragma = encodingName(value), "false"
		}
	}
	switch {
	case needPragma == "null", needPragma == "true" && !gotPragma:
		return ""
	case charset == "utf-16le", charset == "utf-16be":
		return "utf-8"
	case charset == "x-user-defined":
		return "windows-1252"
	}
	return charset
}

func (l *literal) attribute() (name, value string) {
	skip := func(set string) {
		for strings.IndexByte(set, l.page[l.at]) >= 0 {
			l.at++
		}
	}
	const space = " \t\n\f\r"
	skip(space + "/")
	if l.page[l.at] == '>' {
		return "", ""
	}
	add := func(s *string) {
		*s += string(rune(lower(l.page[l.at])))
		l.at++
	}
	for {
		c := l.page[l.at]
		if c == '=' && name != "" || strings.IndexByte(space+"/>", c) >= 0 {
			break
		}
		add(&name)
	}
	if c := l.page[l.at]; c == '/' || c == '>' {
		return name, ""
	}
	skip(space)
	if l.page[l.at] != '=' {
		return name, ""
	}
	l.at++
	skip(space)
	if quote := l.page[l.at]; quote == '"' || quote == '\'' {
		for l.at++; l.page[l.at] != quote; {
			add(&value)
		}
		l.at++
		return name, value
	}
	for strings.IndexByte(space+">", l.page[l.at]) < 0 {
		add(&value)
	}
	return name, value
}

func literalXMLEncoding(page []byte) (encoding string) {
	defer func() { recover() }()
	end := bytes.IndexByte(page, '>')
	if !bytes.HasPrefix(page, []byte("<?xml")) || end < 0 {
		return ""
	}
	at := bytes.Index(page[:end], []byte("encoding"))
	if at < 0 {
		return ""
	}
	page = page[:end]
	at += len("encoding")
	for page[at] <= 0x20 {
		at++
	}
	if page[at] != '=' {
		return ""
	}
	for at++; page[at] <= 0x20; {
		at++
	}
	if page[at] != '"' && page[at] != '\'' {
		return ""
	}
	quote := page[at]
	from := at + 1
	for at++; page[at] != quote; at++ {
		if page[at] <= 0x20 {
			return ""
		}
	}
	switch name := encodingName(string(page[from:at])); name {
	case "utf-16le", "utf-16be":
		return "utf-8"
	case "x-user-defined":
		return "windows-1252"
	default:
		return name
	}
}

func FuzzPrescan(f *testing.F) {
	for _, d := range nastyDocuments(f) {
		f.Add(d.page[:min(len(d.page), prescanLength)])
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		page = page[:min(len(page), prescanLength)]
		got, _ := prescan(page)
		if want := literalPrescan(page); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		for n := range page {
			if name, final := prescan(page[:n]); final && name != got {
				t.Fatalf("%q after %d bytes, %q after all", name, n, got)
			}
		}
	})
}
