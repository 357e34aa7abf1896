package collector

import (
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Within reports whether text, a JSON value out of an event, has the id in a place where it can be
// the subject's: one and the same "1" may name a user, a chat and a button.
func (n Erasure) Within(text jsontext.Value) bool {
	var value any
	return json.Unmarshal(text, &value, lax) == nil && n.within("", value)
}

// within reports the same of the value of a member of that name.
func (n Erasure) within(name string, value any) bool {
	switch value := value.(type) {
	case string:
		return value == n.ID && !n.foreign(name)
	case []any:
		return slices.ContainsFunc(value, func(v any) bool { return n.within(name, v) })
	case map[string]any:
		for name, v := range value {
			if n.within(name, v) {
				return true
			}
		}
	}
	return false
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
