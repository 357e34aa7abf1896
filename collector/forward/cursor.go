package forward

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"

	"ctlive/collector"
)

// cursor is how far a sink has come.
type cursor struct {
	Store  string `json:"store"`  // what the rows are of
	Row    int64  `json:"row"`    // the last event that the sink has promised to keep
	Last   string `json:"last"`   // mark of that event; "": not known
	Erased int64  `json:"erased"` // the last erasure that it was told of
	Pages  int64  `json:"pages"`  // the last minute whose pages it has
	Lost   int64  `json:"lost"`   // events that were deleted before it had them
}

const (
	maxCursor   = 4 << 10 // bytes of a file
	maxFileName = 200     // bytes, without the digest that tells longer names apart
)

var (
	errNoCursor = errors.New("no cursor")                     // the sink is new
	errOtherRow = errors.New("the row has another event now") // than the one that was sent
)

// mark returns what tells an event from others, without what it says of a person.
func mark(e *collector.Record) string {
	sum := sha256.Sum256([]byte(e.Site + "\x00" + e.ID))
	return hex.EncodeToString(sum[:8])
}

// fileName returns the name of the file for the cursor of a sink.
func fileName(sink string) string {
	name := url.PathEscape(sink)
	if len(name) > maxFileName {
		sum := sha256.Sum256([]byte(name))
		name = name[:maxFileName] + "-" + hex.EncodeToString(sum[:8])
	}
	return name + ".cursor"
}

// readCursor reads the cursor in a file. The error is errNoCursor if there is no such file.
func readCursor(path string) (c cursor, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return c, errNoCursor
	}
	if err != nil {
		return c, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCursor))
	if err != nil {
		return c, fmt.Errorf("read %s: %w", path, err)
	}
	err = json.Unmarshal(text, &c)
	if err == nil && (c.Row < 0 || c.Erased < 0 || c.Pages < 0 || c.Lost < 0) {
		err = errors.New("a number is below nought")
	}
	if err != nil {
		return cursor{}, fmt.Errorf("%s is no cursor: %w", path, err)
	}
	return c, nil
}

// write makes c the cursor in a file.
func (c cursor) write(path string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := writeFile(path, text); err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	return nil
}

// writeFile replaces the file at path as a whole: a crash leaves the old one or the new one, and of several
// who write at once one is the last. The folder is made if it is missing.
func writeFile(path string, text []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // for the owner's eyes only
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

var edgeName = regexp.MustCompile(`^[a-z0-9]{1,32}$`)

func newEdge() string { return strings.ToLower(rand.Text()[:16]) }
