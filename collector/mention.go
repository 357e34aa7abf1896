package collector

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Within reports whether text, a JSON value out of an event, has the id in a place where it can be
// the subject's: one and the same "1" may name a user, a chat and a button. A number is one only where
// such ids belong, for numbers stand for many things.
func (n Erasure) Within(text jsontext.Value) bool {
	return text.IsValid(lax) && n.within("", bytes.TrimSpace(text))
}

// within reports the same of the value of a member of that name.
func (n Erasure) within(name string, v jsontext.Value) bool {
	switch v.Kind() {
	case '"':
		return string(nameOf(v)) == n.ID && !n.foreign(name)
	case '0':
		return string(v) == n.ID && n.home(name)
	case '[':
		for item := range elements(v) {
			if n.within(name, item) {
				return true
			}
		}
	case '{':
		for name, value := range members(v) {
			if n.within(string(nameOf(name)), value) {
				return true
			}
		}
	}
	return false
}

// home reports whether ids of the subject's kind belong in a member of that name.
func (n Erasure) home(name string) bool {
	return n.Kind == "user" && holdsUsers(name) || n.Kind == "chat" && name == "chatID"
}

// Traces returns what a text in which [Erasure.Within] finds the id contains one of: JSON as the store
// writes it, which is without blanks.
func (n Erasure) Traces() ([]string, error) {
	quoted, err := jsontext.AppendQuote(nil, n.ID)
	if err != nil {
		return nil, err
	}
	traces := []string{string(quoted)}
	if v := jsontext.Value(n.ID); v.Kind() == '0' && v.IsValid() {
		traces = append(traces, ":"+n.ID, "["+n.ID, ","+n.ID)
	}
	return traces, nil
}

// foreign reports whether the vendor's field of that name holds ids of another kind.
func (n Erasure) foreign(name string) bool {
	switch name {
	case "elementID", "widgetID", "type":
		return true
	case "chatID":
		return n.Kind == "user"
	case "userID", "users":
		return n.Kind == "chat"
	}
	return false
}
