package collector

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Bounds of what a batch may hold, in bytes unless said otherwise. An event beyond them is
// rejected, a text of its page is cut.
const (
	maxEvents   = 500 // events a batch
	maxEvent    = 16 << 10
	maxDepth    = 32 // objects and arrays in each other, within an event
	maxID       = 128
	maxType     = 64
	maxURL      = 2048 // also of the referrer
	maxTitle    = 512
	maxLang     = 64
	maxTime     = 253402300799999 // 9999-12-31 in Unix milliseconds: RFC 3339 ends there
	maxSafeJSON = 1<<53 - 1       // largest integer that JavaScript counts to
)

// Flags are the marks on a stored event, as bits: a bit keeps its meaning for ever.
type Flags uint32

const (
	UnknownType Flags = 1 << iota // a type that the vendor's list does not have
	BadField                      // a known field has the wrong JSON type
	Untrusted                     // the page had no valid token
	Bot                           // sent by a program, as far as it says so itself
	Prerender                     // the page was not shown
	Skew                          // the time is corrected: the page's clock was wrong
)

// doubtful are the flags of events that may be no visitor's: figures leave them out.
const doubtful = Untrusted | Bot | Prerender

var flagNames = []string{"unknown_type", "bad_field", "untrusted", "bot", "prerender", "skew"}

// Names returns the names of the flags that are set, and never nil.
func (f Flags) Names() []string {
	names := []string{}
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// known lists for each type the fields of its object whose JSON type we check.
var known = map[string][]string{
	"Loaded":                {"elementID", "widgetID", "userID"},
	"WidgetShown":           {"elementID", "widgetID", "userID"},
	"WidgetHidden":          {"elementID", "widgetID", "userID"},
	"WidgetClicked":         {"elementID", "widgetID", "userID", "type"},
	"ChatStarted":           {"chatID", "userID"},
	"ChatOnline":            {"chatID", "users"},
	"ChatFinished":          {"chatID", "userID", "isSurveyConfigured"},
	"DatacollectionStarted": {"elementID", "widgetID", "userID", "type"},
}

// view is what the events of one batch share: the page they happened on.
type view struct {
	page, session, url, referrer, title, lang string

	client string // as it may be stored

	lost                   string // dropped by reason, as a JSON object; "": none is known
	seen, refused, dropped int64  // the listener's totals on this page so far: messages heard, and its own losses of them
}

// event is one accepted event.
type event struct {
	index  int // its place among the batch's results
	id     string
	typ    string
	seq    int64
	at     Millis
	dated  bool   // at is the page's; else it is the arrival
	was    Millis // at as the page sent it, where Skew is set
	mono   int64  // 0: not sent
	chatID string
	userID string
	flags  Flags
	object jsontext.Value
	extra  jsontext.Value // unknown members, or nil
	fresh  bool           // the writer's verdict: stored just now, not a duplicate
}

// metricType returns a type out of a bounded set.
func (e *event) metricType() string {
	if e.flags&UnknownType != 0 {
		return "unknown"
	}
	return e.typ
}

// batch is a parsed body. Every item of the body has its place in results.
type batch struct {
	view      view
	token     string // of the page
	sentAt    Millis // by the page's clock
	dated     bool   // sentAt is there
	prerender bool   // the page says that it was not shown
	consent   bool   // and that the visitor has agreed
	stranger  string // the origin of a message that the listener refused
	failure   string // what code in the page has thrown
	events    []event
	rejects   []Reject
	results   []Result
}

// envelope is a batch as it is sent, or a bare message: parts of the body. One of the wrong type
// costs a flag and not the batch. Unknown members are ignored.
type envelope struct {
	version, name, page, session, url, referrer, title, lang, token, sentAt, prerender, consent, seen, refused, dropped, lost, refusedFrom, failure jsontext.Value

	listed bool // there is a list of events
	events []jsontext.Value
}

var (
	errTooMany = errors.New("too many events")
	errNoList  = errors.New("events is not an array")
)

// readEnvelope splits the valid JSON object body. The last of several members of one name counts,
// but the events of all are taken.
func readEnvelope(body jsontext.Value) (env envelope, err error) {
	for name, value := range members(body) {
		switch string(nameOf(name)) {
		case "v":
			env.version = value
		case "name":
			env.name = value
		case "page":
			env.page = value
		case "session":
			env.session = value
		case "url":
			env.url = value
		case "referrer":
			env.referrer = value
		case "title":
			env.title = value
		case "lang":
			env.lang = value
		case "token":
			env.token = value
		case "sent_at":
			env.sentAt = value
		case "prerender":
			env.prerender = value
		case "consent":
			env.consent = value
		case "seen":
			env.seen = value
		case "refused":
			env.refused = value
		case "dropped":
			env.dropped = value
		case "lost":
			env.lost = value
		case "refused_from":
			env.refusedFrom = value
		case "error":
			env.failure = value
		case "events":
			if value.Kind() != '[' {
				return env, errNoList
			}
			env.listed = true
			if env.events, err = appendItems(env.events, value); err != nil {
				return env, err
			}
		}
	}
	return env, nil
}

// appendItems appends the elements of the JSON array to items, up to maxEvents: a body of nothing
// but commas costs no more memory than one of events.
func appendItems(items []jsontext.Value, array jsontext.Value) ([]jsontext.Value, error) {
	for item := range elements(array) {
		if len(items) == maxEvents {
			return nil, errTooMany
		}
		items = append(items, item)
	}
	return items, nil
}

// parseBatch reads a body: a batch, a bare message or an array of those. An error is a *refusal of
// the whole body; an item that is no event is among the rejects. received stands in for times that
// are missing. Nothing of the result is a part of body.
func parseBatch(body []byte, received Millis) (batch, error) {
	if !utf8.Valid(body) {
		return batch{}, refuse(http.StatusBadRequest, "bad_utf8", "the body is not UTF-8")
	}
	text := jsontext.Value(bytes.TrimLeft(body, " \t\r\n"))
	if !text.IsValid(lax) {
		return batch{}, notJSON(text)
	}
	if text.Kind() == '[' {
		list, err := appendItems(nil, text)
		if err != nil {
			return batch{}, notBatch(err)
		}
		return parseEvents(batch{}, list, 0, received, true), nil
	}
	env, err := readEnvelope(text)
	switch {
	case err != nil:
		return batch{}, notBatch(err)
	case !env.listed && isMessage(env.name):
		return parseEvents(batch{}, []jsontext.Value{text}, 0, received, true), nil
	case !env.listed:
		return batch{}, notBatch(errNoList)
	}
	if version, ok := integer(env.version, maxSafeJSON); !ok || env.version != nil && version != 1 {
		return batch{}, refuse(http.StatusBadRequest, "version", "only v 1 is known here")
	}
	b, flags := env.batch()
	return parseEvents(b, env.events, flags, received, false), nil
}

// notJSON says where text stops to be JSON.
func notJSON(text jsontext.Value) error {
	dec := jsontext.NewDecoder(bytes.NewReader(text), lax)
	err := dec.SkipValue()
	if err == nil {
		_, err = dec.ReadToken() // there is more than one value
	}
	at := dec.InputOffset()
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = syntax.ByteOffset
	}
	return refuse(http.StatusBadRequest, "bad_json", fmt.Sprintf("not JSON at byte %d", at))
}

// notBatch says why JSON is no batch.
func notBatch(err error) error {
	if err == errTooMany {
		return refuse(http.StatusRequestEntityTooLarge, "too_many_events", fmt.Sprintf("a batch holds at most %d events", maxEvents))
	}
	return refuse(http.StatusBadRequest, "not_a_batch", "neither a batch of events nor a CTLiveEvent message")
}

// isMessage reports whether name is that of the vendor's messages.
func isMessage(name jsontext.Value) bool {
	s, _ := text(name, maxType)
	return s == "CTLiveEvent"
}

// batch returns the batch that e describes, without its events, and the flag that those deserve for
// it.
func (e *envelope) batch() (b batch, flags Flags) {
	v := &b.view
	for _, t := range []struct {
		to    *string
		from  jsontext.Value
		limit int
	}{
		{&v.page, e.page, maxID},
		{&v.session, e.session, maxID},
		{&v.url, e.url, maxURL},
		{&v.referrer, e.referrer, maxURL},
		{&v.title, e.title, maxTitle},
		{&v.lang, e.lang, maxLang},
	} {
		s, ok := text(t.from, t.limit)
		if *t.to = s; !ok {
			flags |= BadField
		}
	}
	v.seen, _ = integer(e.seen, math.MaxInt32)
	v.refused, _ = integer(e.refused, math.MaxInt32)
	v.dropped, _ = integer(e.dropped, math.MaxInt32)
	v.lost = lostReasons(e.lost, v.dropped)

	sent, ok := integer(e.sentAt, maxTime)
	b.sentAt, b.dated = Millis(sent), ok && e.sentAt != nil
	if !ok {
		flags |= BadField
	}
	b.token, _ = text(e.token, maxID)
	b.prerender, b.consent = e.prerender.Kind() == 't', e.consent.Kind() == 't'
	b.stranger, _ = text(e.refusedFrom, maxComplaint)
	b.failure, _ = text(e.failure, maxComplaint)
	return b, flags
}

// parseEvents adds the events of list to b; flags are set on all. Bare messages must carry the name.
func parseEvents(b batch, list []jsontext.Value, flags Flags, received Millis, bare bool) batch {
	b.results = make([]Result, len(list))
	b.events = make([]event, 0, len(list))
	for i, raw := range list {
		e, err := parseEvent(raw, received, bare)
		if err != nil {
			b.results[i] = Result{ID: e.id, Verdict: Rejected, Reason: err.reason, Flags: []string{}}
			b.rejects = append(b.rejects, newReject(err, raw, int64(len(raw))))
			continue
		}
		e.index = i
		e.flags |= flags
		b.events = append(b.events, e)
	}
	return b
}

// wireEvent is an event as it is sent: parts of the body.
type wireEvent struct {
	name, id, seq, at, mono, typ, object jsontext.Value
	extra                                jsontext.Value // an object of the members that we do not know, or nil
}

func readEvent(raw jsontext.Value) (wire wireEvent) {
	for name, value := range members(raw) {
		switch string(nameOf(name)) {
		case "name":
			wire.name = value
		case "id":
			wire.id = value
		case "seq":
			wire.seq = value
		case "at":
			wire.at = value
		case "mono":
			wire.mono = value
		case "type":
			wire.typ = value
		case "object":
			wire.object = value
		default:
			wire.extra = appendMember(wire.extra, name, value)
		}
	}
	if wire.extra != nil {
		wire.extra = compact(append(wire.extra, '}'))
	}
	return wire
}

// appendMember appends a member to an object that is not closed yet, or nil.
func appendMember(object, name, value jsontext.Value) jsontext.Value {
	separator := byte(',')
	if object == nil {
		separator = '{'
	}
	object = append(append(object, separator), name...)
	return append(append(object, ':'), value...)
}

// parseEvent parses one event from valid JSON. On an error the returned event has its id, if there
// is one.
func parseEvent(raw jsontext.Value, received Millis, bare bool) (event, *refusal) {
	var e event
	if len(raw) <= maxEvent && depth(raw) > maxDepth {
		return e, reject("too_deep", fmt.Sprintf("an event nests at most %d levels", maxDepth))
	}
	wire := readEvent(raw)
	var idOK, typeOK bool
	e.id, idOK = label(wire.id, maxID)
	e.typ, typeOK = label(wire.typ, maxType)
	switch {
	case len(raw) > maxEvent:
		return e, reject("too_large", fmt.Sprintf("an event holds at most %d bytes", maxEvent))
	case !raw.IsValid(strict):
		return e, reject("duplicate_key", "a member name comes twice")
	case raw.Kind() != '{':
		return e, reject("not_an_event", "not a JSON object")
	case wire.id != nil && !idOK:
		return e, reject("bad_id", fmt.Sprintf("an id is a string of 1 to %d bytes without control characters", maxID))
	case bare && !isMessage(wire.name):
		return e, reject("not_an_event", "the message's name is not CTLiveEvent")
	case wire.typ.Kind() != '"':
		return e, reject("not_an_event", "no type")
	case !typeOK:
		return e, reject("bad_type", fmt.Sprintf("a type is a string of 1 to %d bytes without control characters", maxType))
	}
	if wire.id == nil {
		e.id = uuid.Must(uuid.NewV7()).String()
	}
	e.fill(&wire, received)
	return e, nil
}

// fill takes the members that cannot make an event invalid, and flags what is odd about them.
func (e *event) fill(wire *wireEvent, received Millis) {
	at, atOK := integer(wire.at, maxTime)
	seq, seqOK := integer(wire.seq, maxSafeJSON)
	mono, monoOK := integer(wire.mono, maxSafeJSON)
	if !atOK || !seqOK || !monoOK {
		e.flags |= BadField
	}
	e.at, e.seq, e.mono = Millis(at), seq, mono
	if e.dated = wire.at != nil && atOK; !e.dated {
		e.at = received
	}
	e.extra = wire.extra
	e.takeObject(wire.object)
}

func (e *event) takeObject(raw jsontext.Value) {
	fields, typeKnown := known[e.typ]
	if !typeKnown {
		e.flags |= UnknownType
	}
	if raw == nil {
		e.object = jsontext.Value("{}")
		return
	}
	e.object = compact(raw)
	if raw.Kind() != '{' {
		e.flags |= BadField // kept as it is
		return
	}
	for name, value := range members(raw) {
		field := string(nameOf(name))
		if slices.Contains(fields, field) && !fits(field, value) {
			e.flags |= BadField
		}
		switch field {
		case "chatID":
			e.chatID, _ = text(value, maxEvent)
		case "userID":
			e.userID, _ = text(value, maxEvent)
		}
	}
}

// fits reports whether the value of a known field has the JSON type it should.
func fits(field string, value jsontext.Value) bool {
	switch field {
	case "users":
		return isTexts(value)
	case "isSurveyConfigured":
		return value.Kind() == 't' || value.Kind() == 'f'
	}
	return value.Kind() == '"'
}
