package postgres

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/jackc/pgx/v5"

	"ctlive/collector"
)

// eventColumns are those of an event as it is sent, in the order of eventValues.
var eventColumns = []column{
	{"site", "text"}, {"id", "text"}, {"type", "text"}, {"at", "timestamptz"}, {"received_at", "timestamptz"}, {"reported", "timestamptz"},
	{"page", "text"}, {"session", "text"}, {"seq", "bigint"}, {"mono", "bigint"}, {"url", "text"}, {"referrer", "text"}, {"title", "text"},
	{"lang", "text"}, {"chat_id", "text"}, {"user_id", "text"}, {"client", "text"}, {"flags", "text[]"}, {"object", "text"}, {"extra", "text"},
	{"refused", "bigint"}, {"dropped", "bigint"},
}

func eventValues(r *collector.Record) []any {
	var reported, extra any
	if r.Reported != 0 {
		reported = r.Reported.Time()
	}
	if r.Extra != nil {
		extra = storable(string(r.Extra))
	}
	flags := make([]string, len(r.Flags))
	for i, flag := range r.Flags {
		flags[i] = storable(flag)
	}
	return []any{
		storable(r.Site), storable(r.ID), storable(r.Type), r.At.Time(), r.ReceivedAt.Time(), reported,
		storable(r.Page), storable(r.Session), r.Seq, r.Mono, storable(r.URL), storable(r.Referrer), storable(r.Title),
		storable(r.Lang), storable(r.ChatID), storable(r.UserID), storable(r.Client), flags, storable(string(r.Object)), extra,
		r.Refused, r.Dropped,
	}
}

// storable returns text without what PostgreSQL cannot store. JSON has NUL as an escape only, so
// that it stays as it is.
func storable(text string) string {
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "\ufffd")
	}
	return strings.ToValidUTF8(text, "\ufffd")
}

const selectEvents = `SELECT e.row, e.site, e.id, e.type, e.at, e.received_at, coalesce(e.reported, 'epoch'), e.page, e.session, e.seq, e.mono, e.url,
	e.referrer, e.title, e.lang, e.chat_id, e.user_id, e.client, e.flags, e.object, coalesce(e.extra, ''), e.refused, e.dropped
	FROM {events} e`

func scanRecord(rows pgx.CollectableRow) (r collector.Record, err error) {
	var at, received, reported instant
	var object, extra string
	err = rows.Scan(&r.Row, &r.Site, &r.ID, &r.Type, &at, &received, &reported, &r.Page, &r.Session, &r.Seq, &r.Mono, &r.URL,
		&r.Referrer, &r.Title, &r.Lang, &r.ChatID, &r.UserID, &r.Client, &r.Flags, &object, &extra, &r.Refused, &r.Dropped)
	r.At, r.ReceivedAt, r.Reported = collector.Millis(at), collector.Millis(received), collector.Millis(reported)
	r.Object = readable(object)
	if extra != "" {
		r.Extra = readable(extra)
	}
	return r, err
}

// readable returns JSON. Anybody may have changed a row: what is no JSON is a string.
func readable(text string) jsontext.Value {
	if v := jsontext.Value(text); v.IsValid() {
		return v
	}
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		panic(err) // the server checks that texts are UTF-8
	}
	return quoted
}

// flagBits are the flags by their names.
var flagBits = func() map[string]collector.Flags {
	bits := map[string]collector.Flags{}
	for bit := collector.Flags(1); bit != 0; bit <<= 1 {
		for _, name := range bit.Names() {
			bits[name] = bit
		}
	}
	return bits
}()

// flagsOf returns the flags whose names are given, separated by spaces. Those of a newer program are
// left out.
func flagsOf(names string) (flags collector.Flags) {
	for name := range strings.FieldsSeq(names) {
		flags |= flagBits[name]
	}
	return flags
}

// doubtful are the names of the flags of events that may be no visitor's, as SQL.
var doubtful = func() string {
	names := (collector.Untrusted | collector.Bot | collector.Prerender).Names()
	return "ARRAY['" + strings.Join(slices.Sorted(slices.Values(names)), "','") + "']"
}()
