package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/google/uuid"
)

// serial numbers the events of a run: the connection in the upper bits, the event's number on it in
// the lower ones. It is below 1<<62.
type serial uint64

const serialBits = 40

func newSerial(connection, event int) serial { return serial(connection<<serialBits | event) }

func (s serial) connection() int { return int(s >> serialBits) }
func (s serial) event() int      { return int(s & (1<<serialBits - 1)) }

// id returns the id of event s, as a listener makes it at ms (Unix time): a UUID of version 7, whose
// random part is s.
func (s serial) id(ms int64) (id uuid.UUID) {
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	for i := range 8 {
		id[8+i] = byte(s >> (56 - 8*i))
	}
	id[6] |= 7 << 4
	id[8] |= 2 << 6
	return id
}

// serialOf is the inverse of [serial.id].
func serialOf(id uuid.UUID) (s serial) {
	for i := range 8 {
		s = s<<8 | serial(id[8+i])
	}
	return s &^ (2 << 62)
}

// funnel are the events of a page view with a chat, as the vendor's widget sends them. %s is the page
// view's id.
var funnel = []string{
	`"type":"Loaded","object":{"elementID":"e1","widgetID":"w1","userID":"u1"}`,
	`"type":"WidgetShown","object":{"elementID":"e1","widgetID":"w1","userID":"u1"}`,
	`"type":"WidgetClicked","object":{"elementID":"e1","widgetID":"w1","userID":"u1","type":"Chat"}`,
	`"type":"DatacollectionStarted","object":{"elementID":"e1","widgetID":"w1","userID":"u1","type":"Chat"}`,
	`"type":"ChatStarted","object":{"chatID":"%s","userID":"u1"}`,
	`"type":"ChatOnline","object":{"chatID":"%s","users":["u1","agent7"]}`,
	`"type":"WidgetHidden","object":{"elementID":"e1","widgetID":"w1","userID":"u1"}`,
	`"type":"ChatFinished","object":{"chatID":"%s","userID":"u1","isSurveyConfigured":true}`,
}

// post is a request with a batch of events, made once. Ids and times are written over each time it is
// sent, and all have a fixed width.
type post struct {
	raw   []byte
	ids   []int // where the events' ids are
	pages []int // where the page view's id is
	times []int // where Unix times in milliseconds are
}

// visitor says who sends.
type visitor struct {
	addr    string // of the proxy
	token   string // of the page, or ""
	session uuid.UUID
	objects bool // by Global Privacy Control: then the proxy parses and answers, and stores nothing
}

// privacy is the field of a visitor that objects.
func (v visitor) privacy() string {
	if v.objects {
		return "Sec-GPC: 1\r\n"
	}
	return ""
}

// newPosts returns the requests of one page view, in their order: each has n events of the funnel.
func newPosts(v visitor, n int) []*post {
	var posts []*post
	for sent := 0; sent < len(funnel); sent += n {
		posts = append(posts, newPost(v, sent, n))
	}
	return posts
}

// newPost returns a request with n events, before which the page view has sent others.
func newPost(v visitor, sent, n int) *post {
	p := &post{}
	body := p.body(v, sent, n)
	head := fmt.Appendf(nil, "POST /.ctlive/events HTTP/1.1\r\n"+
		"Host: %[1]s\r\n"+
		"Connection: keep-alive\r\n"+
		"Content-Length: %[2]d\r\n"+
		"User-Agent: "+userAgent+"\r\n"+
		"Content-Type: text/plain;charset=UTF-8\r\n"+
		"Accept: */*\r\n"+
		"Origin: http://%[1]s\r\n"+
		"Sec-Fetch-Site: same-origin\r\n"+
		"Sec-Fetch-Mode: cors\r\n"+
		"Sec-Fetch-Dest: empty\r\n"+
		"Referer: http://%[1]s/\r\n"+
		"Accept-Encoding: gzip, deflate, br, zstd\r\n"+
		"Accept-Language: it-IT,it;q=0.9,en;q=0.8\r\n%[3]s\r\n", v.addr, len(body), v.privacy())
	p.raw = append(head, body...)
	for _, places := range [][]int{p.ids, p.pages, p.times} {
		for i := range places {
			places[i] += len(head)
		}
	}
	return p
}

const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"

// body returns the JSON of a request and notes what is to be written over.
func (p *post) body(v visitor, sent, n int) []byte {
	const anID, aTime = "00000000-0000-7000-8000-000000000000", "1000000000000"
	var b bytes.Buffer
	place := func(places *[]int, text string) {
		*places = append(*places, b.Len())
		b.WriteString(text)
	}
	b.WriteString(`{"v":1,"page":"`)
	place(&p.pages, anID)
	fmt.Fprintf(&b, `","session":%q,"url":"http://%s/products/red-shoes","referrer":"http://%s/","title":"Red shoes","lang":"it-IT"`,
		v.session, v.addr, v.addr)
	if v.token != "" {
		fmt.Fprintf(&b, `,"token":%q`, v.token)
	}
	b.WriteString(`,"events":[`)
	for i := sent; i < sent+n; i++ {
		if i > sent {
			b.WriteByte(',')
		}
		b.WriteString(`{"id":"`)
		place(&p.ids, anID)
		fmt.Fprintf(&b, `","seq":%d,"at":`, i+1)
		place(&p.times, aTime)
		fmt.Fprintf(&b, `,"mono":%d,`, 1200+5*i)
		before, after, _ := bytes.Cut([]byte(funnel[i%len(funnel)]), []byte("%s"))
		b.Write(before)
		if len(after) > 0 {
			place(&p.pages, anID)
			b.Write(after)
		}
		b.WriteByte('}')
	}
	b.WriteString(`],"sent_at":`)
	place(&p.times, aTime)
	fmt.Fprintf(&b, `,"seen":%d,"refused":0,"dropped":0}`, sent+n)
	return b.Bytes()
}

// stamp makes p the next request: of that page view, sent at now (Unix time in milliseconds), with
// events numbered from first on. It does not allocate.
func (p *post) stamp(page uuid.UUID, now int64, first serial) {
	for _, at := range p.pages {
		writeID(p.raw[at:], page)
	}
	for _, at := range p.times {
		strconv.AppendInt(p.raw[:at], now, 10) // 13 digits until the year 2286
	}
	for i, at := range p.ids {
		writeID(p.raw[at:], (first + serial(i)).id(now))
	}
}

// writeID writes the text of id over the first 36 bytes of b.
func writeID(b []byte, id uuid.UUID) {
	hex.Encode(b[0:8], id[0:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:16])
}
