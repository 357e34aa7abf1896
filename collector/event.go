package collector

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
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
)

var flagNames = []string{"unknown_type", "bad_field"}

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

	client           string // as it may be stored
	refused, dropped int64  // the listener's own losses on this page so far
}

// event is one accepted event.
type event struct {
	index  int // its place among the batch's results
	id     string
	typ    string
	seq    int64
	at     Millis
	mono   int64 // 0: not sent
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
	view    view
	events  []event
	rejects []Reject
	results []Result
}

// envelope is a batch as it is sent, or a bare message. Members are raw: one of the wrong type
// costs a flag and not the batch. Unknown members are ignored.
type envelope struct {
	Version  jsontext.Value `json:"v"`
	Name     jsontext.Value `json:"name"`
	Page     jsontext.Value `json:"page"`
	Session  jsontext.Value `json:"session"`
	URL      jsontext.Value `json:"url"`
	Referrer jsontext.Value `json:"referrer"`
	Title    jsontext.Value `json:"title"`
	Lang     jsontext.Value `json:"lang"`
	Refused  jsontext.Value `json:"refused"`
	Dropped  jsontext.Value `json:"dropped"`
	Events   items          `json:"events"`
}

// wireEvent is an event as it is sent.
type wireEvent struct {
	Name   jsontext.Value `json:"name"`
	ID     jsontext.Value `json:"id"`
	Seq    jsontext.Value `json:"seq"`
	At     jsontext.Value `json:"at"`
	Mono   jsontext.Value `json:"mono"`
	Type   jsontext.Value `json:"type"`
	Object jsontext.Value `json:"object"`
	Extra  jsontext.Value `json:",embed"`
}

// wireObject has the fields of every type's object that are checked or stored apart.
type wireObject struct {
	ElementID jsontext.Value `json:"elementID"`
	WidgetID  jsontext.Value `json:"widgetID"`
	UserID    jsontext.Value `json:"userID"`
	ChatID    jsontext.Value `json:"chatID"`
	Type      jsontext.Value `json:"type"`
	Users     jsontext.Value `json:"users"`
	Survey    jsontext.Value `json:"isSurveyConfigured"`
}

// items is a JSON array of raw values. Reading ends where maxEvents is passed, so that a body of
// nothing but commas costs no more memory than one of events.
type items []jsontext.Value

var errTooMany = errors.New("too many events")

func (l *items) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '[' {
		return errors.New("events is not an array")
	}
	if *l == nil {
		*l = items{} // an empty batch is a batch
	}
	dec.ReadToken()
	for dec.PeekKind() != ']' {
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if len(*l) == maxEvents {
			return errTooMany
		}
		*l = append(*l, value.Clone())
	}
	_, err := dec.ReadToken()
	return err
}

// parseBatch reads a body: a batch, a bare message or an array of those. An error is a *refusal of
// the whole body; an item that is no event is among the rejects. In the envelope the last of
// several members of one name counts, but the events of all are taken. received stands in for
// times that are missing.
func parseBatch(body []byte, received Millis) (batch, error) {
	if !utf8.Valid(body) {
		return batch{}, refuse(http.StatusBadRequest, "bad_utf8", "the body is not UTF-8")
	}
	if body = bytes.TrimLeft(body, " \t\r\n"); len(body) > 0 && body[0] == '[' {
		var list items
		if err := json.Unmarshal(body, &list, lax); err != nil {
			return batch{}, notBatch(err)
		}
		return parseEvents(list, view{}, 0, received, true), nil
	}
	var env envelope
	if err := json.Unmarshal(body, &env, lax); err != nil {
		return batch{}, notBatch(err)
	}
	if env.Events == nil {
		if !isMessage(env.Name) {
			return batch{}, refuse(http.StatusBadRequest, "not_a_batch", "neither a batch of events nor a CTLiveEvent message")
		}
		return parseEvents(items{body}, view{}, 0, received, true), nil
	}
	if version, ok := integer(env.Version, maxSafeJSON); !ok || env.Version != nil && version != 1 {
		return batch{}, refuse(http.StatusBadRequest, "version", "only v 1 is known here")
	}
	v, flags := env.view()
	return parseEvents(env.Events, v, flags, received, false), nil
}

// notBatch says why a body could not be read as a batch.
func notBatch(err error) error {
	if errors.Is(err, errTooMany) {
		return refuse(http.StatusRequestEntityTooLarge, "too_many_events", fmt.Sprintf("a batch holds at most %d events", maxEvents))
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return refuse(http.StatusBadRequest, "bad_json", fmt.Sprintf("not JSON at byte %d", syntax.ByteOffset))
	}
	return refuse(http.StatusBadRequest, "not_a_batch", "neither a batch of events nor a CTLiveEvent message")
}

// isMessage reports whether name is that of the vendor's messages.
func isMessage(name jsontext.Value) bool {
	s, _ := text(name, maxType)
	return s == "CTLiveEvent"
}

// view returns the page that e describes, and the flag that its events deserve for it.
func (e *envelope) view() (view, Flags) {
	var v view
	var flags Flags
	for _, t := range []struct {
		to    *string
		from  jsontext.Value
		limit int
	}{
		{&v.page, e.Page, maxID},
		{&v.session, e.Session, maxID},
		{&v.url, e.URL, maxURL},
		{&v.referrer, e.Referrer, maxURL},
		{&v.title, e.Title, maxTitle},
		{&v.lang, e.Lang, maxLang},
	} {
		s, ok := text(t.from, t.limit)
		if *t.to = s; !ok {
			flags |= BadField
		}
	}
	v.refused, _ = integer(e.Refused, math.MaxInt32)
	v.dropped, _ = integer(e.Dropped, math.MaxInt32)
	return v, flags
}

// parseEvents parses each of list; flags are set on all. Bare messages must carry the name.
func parseEvents(list items, v view, flags Flags, received Millis, bare bool) batch {
	b := batch{view: v, results: make([]Result, len(list))}
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

// parseEvent parses one event. On an error the returned event has its id, if there is one.
func parseEvent(raw jsontext.Value, received Millis, bare bool) (event, *refusal) {
	var e event
	var wire wireEvent
	if len(raw) > maxEvent {
		json.Unmarshal(raw, &wire, lax)
		e.id, _ = label(wire.ID, maxID)
		return e, reject("too_large", fmt.Sprintf("an event holds at most %d bytes", maxEvent))
	}
	if depth(raw) > maxDepth {
		return e, reject("too_deep", fmt.Sprintf("an event nests at most %d levels", maxDepth))
	}
	err := json.Unmarshal(raw, &wire, strict)
	var idOK, typeOK bool
	e.id, idOK = label(wire.ID, maxID)
	e.typ, typeOK = label(wire.Type, maxType)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return e, reject("duplicate_key", "a member name comes twice")
	case err != nil:
		return e, reject("not_an_event", "not a JSON object")
	case wire.ID != nil && !idOK:
		return e, reject("bad_id", fmt.Sprintf("an id is a string of 1 to %d bytes without control characters", maxID))
	case bare && !isMessage(wire.Name):
		return e, reject("not_an_event", "the message's name is not CTLiveEvent")
	case wire.Type.Kind() != '"':
		return e, reject("not_an_event", "no type")
	case !typeOK:
		return e, reject("bad_type", fmt.Sprintf("a type is a string of 1 to %d bytes without control characters", maxType))
	}
	if wire.ID == nil {
		e.id = uuid.Must(uuid.NewV7()).String()
	}
	e.fill(&wire, received)
	return e, nil
}

// fill takes the members that cannot make an event invalid, and flags what is odd about them.
func (e *event) fill(wire *wireEvent, received Millis) {
	at, atOK := integer(wire.At, maxTime)
	seq, seqOK := integer(wire.Seq, maxSafeJSON)
	mono, monoOK := integer(wire.Mono, maxSafeJSON)
	if !atOK || !seqOK || !monoOK {
		e.flags |= BadField
	}
	e.at, e.seq, e.mono = Millis(at), seq, mono
	if wire.At == nil || !atOK {
		e.at = received
	}
	if len(wire.Extra) > len("{}") {
		e.extra = compact(wire.Extra)
	}
	e.takeObject(wire.Object)
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
	var o wireObject
	if raw.Kind() != '{' || json.Unmarshal(raw, &o, lax) != nil {
		e.flags |= BadField // kept as it is
		return
	}
	for _, name := range fields {
		if !o.valid(name) {
			e.flags |= BadField
		}
	}
	e.chatID, _ = text(o.ChatID, maxEvent)
	e.userID, _ = text(o.UserID, maxEvent)
}

// valid reports whether the field is missing or has the JSON type it should.
func (o *wireObject) valid(field string) bool {
	switch field {
	case "elementID":
		return isText(o.ElementID)
	case "widgetID":
		return isText(o.WidgetID)
	case "userID":
		return isText(o.UserID)
	case "chatID":
		return isText(o.ChatID)
	case "type":
		return isText(o.Type)
	case "users":
		return o.Users == nil || isTexts(o.Users)
	case "isSurveyConfigured":
		return o.Survey == nil || o.Survey.Kind() == 't' || o.Survey.Kind() == 'f'
	}
	panic("no such field: " + field)
}
