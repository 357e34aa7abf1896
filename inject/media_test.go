package inject

import (
	"net/http"
	"testing"
)

// Inputs as in the web platform tests for MIME types.
func TestContentType(t *testing.T) {
	cases := []struct {
		in              []string
		media, encoding string
	}{
		{nil, "", ""},
		{[]string{"text/html"}, "text/html", ""},
		{[]string{"TEXT/HTML;CHARSET=GBK"}, "text/html", "gbk"},
		{[]string{" text/html ; charset=gbk "}, "text/html", "gbk"},
		{[]string{`text/html;charset="gbk"`}, "text/html", "gbk"},
		{[]string{`text/html;charset="gbk`}, "text/html", "gbk"},
		{[]string{`text/html;charset="\g\b\k"`}, "text/html", "gbk"},
		{[]string{`text/html;charset=";charset=foo";charset=GBK`}, "text/html", ""},
		{[]string{`text/html;charset="gbk"x`}, "text/html", "gbk"},
		{[]string{"text/html;charset=gbk;charset=utf-8"}, "text/html", "gbk"},
		{[]string{"text/html;charset=;charset=gbk"}, "text/html", "gbk"},
		{[]string{"text/html;test;charset=gbk"}, "text/html", "gbk"},
		{[]string{"text/html;charset =gbk"}, "text/html", ""},
		{[]string{"text/html;charset= gbk"}, "text/html", "gbk"},
		{[]string{`text/html;charset= "gbk"`}, "text/html", ""},
		{[]string{"text/html;charset='gbk'"}, "text/html", ""},
		{[]string{"text/html;charset=\vgbk"}, "text/html", ""},
		{[]string{"text/html;charset=koi8-\u212a"}, "text/html", ""},
		{[]string{"text/html;charset=latin1"}, "text/html", "windows-1252"},
		{[]string{"text/html;charset=unicode"}, "text/html", "utf-16le"},
		{[]string{"text/html;charset=none"}, "text/html", ""},
		{[]string{"text/html", "text/plain"}, "text/plain", ""},
		{[]string{"text/plain, text/html"}, "text/html", ""},
		{[]string{"text/html;charset=gbk", "text/html"}, "text/html", "gbk"},
		{[]string{"text/html;charset=gbk, text/html;x=y"}, "text/html", "gbk"},
		{[]string{"text/html;charset=gbk", "text/html;charset=none"}, "text/html", ""},
		{[]string{"text/html;charset=gbk", "text/plain", "text/html"}, "text/html", ""},
		{[]string{"text/html", "*/*", "", "x"}, "text/html", ""},
		{[]string{`text/html;a="text/plain, b"`}, "text/html", ""},
	}
	for _, c := range cases {
		if media, encoding := contentType(http.Header{"Content-Type": c.in}); media != c.media || encoding != c.encoding {
			t.Errorf("%q: got %q, %q, want %q, %q", c.in, media, encoding, c.media, c.encoding)
		}
	}
}

// Every name of an encoding is a label for it, so that a name we find can be
// written into a Content-Type.
func TestEncodingNames(t *testing.T) {
	for _, name := range []string{
		"utf-8", "ibm866", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-5", "iso-8859-6", "iso-8859-7", "iso-8859-8",
		"iso-8859-8-i", "iso-8859-10", "iso-8859-13", "iso-8859-14", "iso-8859-15", "iso-8859-16", "koi8-r", "koi8-u",
		"macintosh", "windows-874", "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254",
		"windows-1255", "windows-1256", "windows-1257", "windows-1258", "x-mac-cyrillic", "gbk", "gb18030", "big5", "euc-jp",
		"iso-2022-jp", "shift_jis", "euc-kr", "replacement", "utf-16be", "utf-16le", "x-user-defined",
	} {
		if got := encodingName(" " + name + "\f"); got != name {
			t.Errorf("%s is taken for %q", name, got)
		}
	}
}
