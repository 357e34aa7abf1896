package report

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"ctlive/collector"
)

// batchRows are the events that one transaction takes in: enough that buckets, page views and chats
// are written once for many events, and few enough that reading them keeps no transaction open for
// long.
const batchRows = 10_000

const doubtful = collector.Untrusted | collector.Bot | collector.Prerender

// batch adds up what a transaction is to change.
type batch struct {
	ctx     context.Context
	tx      *sql.Tx
	db      *database
	views   map[string]*changed[view]
	chats   map[string]*changed[chat]
	stmts   map[string]*sql.Stmt
	changes []change
	err     error // the first one; sticky
}

// changed is the state of something before and after.
type changed[T any] struct{ old, new T }

// transact runs f in a transaction, writes what it has added up, and moves the progress.
func (db *database) transact(ctx context.Context, f func(b *batch, at *progress) error) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := db.still(ctx, tx); err != nil {
		return err
	}
	at := db.at
	b := &batch{ctx: ctx, tx: tx, db: db, views: map[string]*changed[view]{}, chats: map[string]*changed[chat]{},
		stmts: map[string]*sql.Stmt{}}
	err = f(b, &at)
	if err == nil {
		err = b.write()
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `UPDATE progress SET (row, oldest, erased, store, pages, began) = (?, ?, ?, ?, ?, ?)`,
			at.row, at.oldest, at.erased, at.store, at.pages, at.began)
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		db.dictionary = newDictionary() // it may know rows that are not there
		return err
	}
	db.at = at
	return nil
}

// still returns errMoved, and notes where the figures are, if somebody else has counted into them.
func (db *database) still(ctx context.Context, tx *sql.Tx) error {
	at, err := readProgress(ctx, tx)
	if err != nil || at.row == db.at.row && at.pages == db.at.pages {
		return err
	}
	db.at, db.dictionary = at, newDictionary()
	return errMoved
}

// advance takes in the next events of src and returns how many there were.
func (db *database) advance(ctx context.Context, src Source) (n int, err error) {
	err = db.transact(ctx, func(b *batch, at *progress) error {
		return src.Each(ctx, at.row, batchRows, func(e *Event) error {
			n++
			at.row = e.Row
			return b.event(e)
		})
	})
	return n, err
}

// takePages takes in the next settled counts of p and reports whether there were any.
func (db *database) takePages(ctx context.Context, p Pages) (bool, error) {
	counts, settled, err := p.PageCounts(ctx, db.at.pages)
	if err != nil || settled <= db.at.pages {
		return false, err
	}
	return true, db.fold(ctx, counts, settled)
}

// fold takes in the settled ones of counts, which are those behind the last fold.
func (db *database) fold(ctx context.Context, counts []PageCount, settled int64) error {
	return db.transact(ctx, func(b *batch, at *progress) error {
		for _, c := range counts {
			if c.Position > settled {
				continue
			}
			site, err := b.site(c.Site)
			if err != nil {
				return err
			}
			id, err := b.db.outcome(b, outcome{c.Site, c.Result, c.Reason})
			if err != nil {
				return err
			}
			b.count(site, c.Minute*60_000, keyOf(outcomes, id), c.N)
		}
		at.pages = settled
		return nil
	})
}

// sweep takes in the losses of page views that were active since a time and told of them without a
// new event.
func (db *database) sweep(ctx context.Context, src Source, since time.Time) error {
	losses, err := src.PageLosses(ctx, since)
	if err != nil || len(losses) == 0 {
		return err
	}
	return db.transact(ctx, func(b *batch, _ *progress) error {
		for _, l := range losses {
			site, err := b.site(l.Site)
			if err != nil {
				return err
			}
			v, err := b.view(site, l.Page)
			if err != nil {
				return err
			}
			v.lose(l.Refused, l.Dropped, l.Lost)
		}
		return nil
	})
}

// event adds e to what it changes.
func (b *batch) event(e *Event) error {
	site, err := b.site(e.Site)
	if err != nil {
		return err
	}
	url, err := b.db.url(b, e.URL)
	if err != nil {
		return err
	}
	b.countEvent(site, e)
	seen := layersOf(e.Flags)
	if len(e.Page) == 0 {
		b.lone(site, url, e)
	} else {
		v, err := b.view(site, e.Page)
		if err != nil {
			return err
		}
		for _, layer := range seen {
			v.layers[layer].add(e.At, url, stepsOf(e.Type, 1), b.less)
		}
		v.lose(e.Refused, e.Dropped, e.Lost)
	}
	if e.Chat != "" {
		c, err := b.chat(site, e.Chat)
		if err != nil {
			return err
		}
		for _, layer := range seen {
			c.layers[layer].add(e.Type, e.At, url, b.less)
		}
	}
	return b.err
}

var bothLayers = []int{clean, every}

// layersOf returns the layers that an event with these flags is part of.
func layersOf(flags collector.Flags) []int {
	if flags&doubtful != 0 {
		return bothLayers[every:]
	}
	return bothLayers
}

// stepsOf returns the steps that an event of a type shows a page view to have reached, the listener
// among them as given.
func stepsOf(typ string, listener uint16) uint16 {
	if i := slices.Index(stepNames[1:], typ); i >= 0 {
		return listener | 1<<(i+1)
	}
	return listener
}

// lone counts an event that names no page view: nothing can come later that belongs to it.
func (b *batch) lone(site, url int64, e *Event) {
	v := newView()
	listener := uint16(0)
	if e.Type == "Loaded" {
		listener = 1
	}
	for _, layer := range layersOf(e.Flags) {
		v.layers[layer].add(e.At, url, stepsOf(e.Type, listener), nil)
	}
	v.counts(1, func(at int64, k key, n int64) { b.count(site, at, k, n) })
}

// countEvent counts what e is by itself.
func (b *batch) countEvent(site int64, e *Event) {
	doubt := kind(0)
	if e.Flags&doubtful != 0 {
		doubt = ifDoubted
	}
	typ := slices.Index(typeNames[:unknownType], e.Type)
	if typ < 0 {
		typ = unknownType
	}
	b.count(site, e.At, keyOf(counters|doubt, int64(types+typ)), 1)
	if e.Type == "WidgetClicked" {
		b.count(site, e.At, keyOf(counters|doubt, int64(clicks+clickOf(e.Object))), 1)
	}
	for bit := range int64(flagCount) {
		if e.Flags&(1<<bit) != 0 {
			b.count(site, e.At, keyOf(counters, flags+bit), 1)
		}
	}
}

// clickOf returns the kind of a click with that object.
func clickOf(object []byte) int {
	var o struct {
		Type any `json:"type"`
	}
	_ = json.Unmarshal(object, &o) // what is no object has no kind
	name, _ := o.Type.(string)
	if i := slices.Index(clickNames[:], name); i >= 0 {
		return i
	}
	return otherClick
}

// count adds n to a key of the minute that at lies in.
func (b *batch) count(site, at int64, k key, n int64) {
	b.changes = append(b.changes, change{bucketAt(minutes, site, at/60_000), count{k, n}})
}

// less reports whether the URL of one number goes before that of another.
func (b *batch) less(one, other int64) bool {
	x, err := b.db.urlOf(b, one)
	y, err2 := b.db.urlOf(b, other)
	for _, err := range []error{err, err2} {
		if b.err == nil {
			b.err = err
		}
	}
	return x < y
}

// site returns our number of a site.
func (b *batch) site(name string) (int64, error) {
	if ours, ok := b.db.sites[name]; ok {
		return ours, nil
	}
	ours, err := b.db.site(b, name)
	if err == nil {
		b.db.sites[name] = ours
	}
	return ours, err
}

// view returns the page view of that id, to be changed.
func (b *batch) view(site int64, page []byte) (*view, error) {
	key := string(append(appendNumbers(nil, site), page...))
	return load(b, b.views, `SELECT state FROM views WHERE key = ?`, key, newView, decodeView)
}

// chat returns the chat of that id, to be changed.
func (b *batch) chat(site int64, id string) (*chat, error) {
	return load(b, b.chats, `SELECT state FROM chats WHERE key = ?`, chatKey(site, id), newChat, decodeChat)
}

func load[T any](b *batch, known map[string]*changed[T], text, key string, fresh func() T, decode func([]byte) (T, bool)) (*T, error) {
	if c, ok := known[key]; ok {
		return &c.new, nil
	}
	stmt, err := b.prepare(text)
	if err != nil {
		return nil, err
	}
	c := &changed[T]{old: fresh()}
	var state []byte
	err = stmt.QueryRowContext(b.ctx, []byte(key)).Scan(&state)
	if err == nil {
		var ok bool
		if c.old, ok = decode(state); !ok {
			err = fmt.Errorf("%w: state of %x", errDamaged, key)
		}
	}
	if err != nil && err != sql.ErrNoRows {
		return nil, err
	}
	c.new = c.old
	known[key] = c
	return &c.new, nil
}

// write writes all that has changed.
func (b *batch) write() error {
	if err := put(b, b.views, `INSERT OR REPLACE INTO views (key, state) VALUES (?, ?)`, (*view).encode, (*view).counts); err != nil {
		return err
	}
	if err := put(b, b.chats, `INSERT OR REPLACE INTO chats (key, state) VALUES (?, ?)`, (*chat).encode, (*chat).counts); err != nil {
		return err
	}
	changes := rollUp(b.changes)
	for len(changes) > 0 {
		n := 1
		for n < len(changes) && changes[n].bucket == changes[0].bucket {
			n++
		}
		if err := b.bucket(changes[:n]); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// put writes the states that have changed, and counts them instead of what they were.
func put[T comparable](b *batch, all map[string]*changed[T], text string, encode func(*T) []byte, counts func(*T, int64, func(int64, key, int64))) error {
	stmt, err := b.prepare(text)
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		c := all[id]
		if c.new == c.old {
			continue
		}
		if _, err := stmt.ExecContext(b.ctx, []byte(id), encode(&c.new)); err != nil {
			return err
		}
		site, _ := binary.Varint([]byte(id)) // all keys begin with it
		count := func(at int64, k key, n int64) { b.count(site, at, k, n) }
		counts(&c.old, -1, count)
		counts(&c.new, 1, count)
	}
	return nil
}

// bucket adds changes to the one bucket that they are all of.
func (b *batch) bucket(changes []change) error {
	id := int64(changes[0].bucket)
	get, err := b.prepare(`SELECT data FROM buckets WHERE id = ?`)
	if err != nil {
		return err
	}
	var data []byte
	if err := get.QueryRowContext(b.ctx, id).Scan(&data); err != nil && err != sql.ErrNoRows {
		return err
	}
	var tally []count
	if !decode(data, func(k kind, value, n int64) { tally = append(tally, count{keyOf(k, value), n}) }) {
		return fmt.Errorf("%w: bucket %x", errDamaged, id)
	}
	text, args := `INSERT OR REPLACE INTO buckets (id, data) VALUES (?, ?)`, []any{id, encode(merge(tally, changes))}
	if len(args[1].([]byte)) == 0 {
		text, args = `DELETE FROM buckets WHERE id = ?`, args[:1]
	}
	set, err := b.prepare(text)
	if err == nil {
		_, err = set.ExecContext(b.ctx, args...)
	}
	return err
}

// prepare returns the statement of text; it ends with the transaction.
func (b *batch) prepare(text string) (*sql.Stmt, error) {
	if s, ok := b.stmts[text]; ok {
		return s, nil
	}
	s, err := b.tx.PrepareContext(b.ctx, text)
	if err == nil {
		b.stmts[text] = s
	}
	return s, err
}
