package report

import "fmt"

// maxURLs is how many URLs are remembered; each has at most 2 KiB.
const maxURLs = 4096

// dictionary remembers numbers of the database: buckets have those, not names. Its owner holds
// Report.work.
type dictionary struct {
	sites    map[string]int64
	urls     map[string]int64
	outcomes map[outcome]int64
}

func newDictionary() dictionary {
	return dictionary{map[string]int64{}, map[string]int64{}, map[outcome]int64{}}
}

// site returns the number of the site called name.
func (d *dictionary) site(b *batch, name string) (int64, error) {
	id, err := b.number(`INSERT INTO sites (name) VALUES (?) ON CONFLICT DO NOTHING`, `SELECT id FROM sites WHERE name = ?`, name)
	if err == nil && id > maxSite {
		err = fmt.Errorf("more than %d sites", maxSite)
	}
	return id, err
}

// url returns the number of a URL.
func (d *dictionary) url(b *batch, url string) (int64, error) {
	if id, ok := d.urls[url]; ok {
		return id, nil
	}
	id, err := b.number(`INSERT INTO urls (url) VALUES (?) ON CONFLICT DO NOTHING`, `SELECT id FROM urls WHERE url = ?`, url)
	if err != nil {
		return 0, err
	}
	if len(d.urls) == maxURLs {
		clear(d.urls)
	}
	d.urls[url] = id
	return id, nil
}

// urlOf returns the URL of a number.
func (d *dictionary) urlOf(b *batch, id int64) (url string, err error) {
	get, err := b.prepare(`SELECT url FROM urls WHERE id = ?`)
	if err == nil {
		err = get.QueryRowContext(b.ctx, id).Scan(&url)
	}
	return url, err
}

// outcome returns the number of what the injector did, on whatever site.
func (d *dictionary) outcome(b *batch, o outcome) (int64, error) {
	o.site = ""
	if id, ok := d.outcomes[o]; ok {
		return id, nil
	}
	id, err := b.number(`INSERT INTO outcomes (result, reason) VALUES (?, ?) ON CONFLICT DO NOTHING`,
		`SELECT id FROM outcomes WHERE (result, reason) = (?, ?)`, o.result, o.reason)
	if err != nil {
		return 0, err
	}
	d.outcomes[o] = id
	return id, nil
}

// number returns what find finds after insert, if it found nothing before.
func (b *batch) number(insert, find string, args ...any) (id int64, err error) {
	get, err := b.prepare(find)
	if err != nil {
		return 0, err
	}
	if err := get.QueryRowContext(b.ctx, args...).Scan(&id); err == nil {
		return id, nil
	}
	add, err := b.prepare(insert)
	if err != nil {
		return 0, err
	}
	if _, err := add.ExecContext(b.ctx, args...); err != nil {
		return 0, err
	}
	err = get.QueryRowContext(b.ctx, args...).Scan(&id)
	return id, err
}
