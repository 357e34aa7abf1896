package collector

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
)

// WriteNDJSON writes a line of JSON for each of items, with one Write each: give it a bufio.Writer
// unless somebody watches. It stops at the first error of either side.
func WriteNDJSON[T any](w io.Writer, items iter.Seq2[T, error]) error {
	for item, err := range items {
		if err != nil {
			return err
		}
		line, err := json.Marshal(item)
		if err != nil {
			return fmt.Errorf("encode: %w", err)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

var csvHeader = []string{"id", "site", "type", "at", "received_at", "reported", "page", "session", "seq", "mono", "url", "referrer",
	"title", "lang", "chat_id", "user_id", "client", "flags", "object", "extra"}

// WriteCSV writes events as CSV (RFC 4180, with a header line), one Write a line. A cell that a
// spreadsheet would take for a formula begins with an apostrophe: what a visitor's page sent must
// not be run on the desk of whoever opens the export. NDJSON has the exact text.
func WriteCSV(w io.Writer, events iter.Seq2[Record, error]) error {
	var line bytes.Buffer
	out := csv.NewWriter(&line)
	write := func(cells []string) error {
		line.Reset()
		out.Write(cells) // a Buffer takes all
		out.Flush()
		_, err := w.Write(line.Bytes())
		return err
	}
	if err := write(csvHeader); err != nil {
		return err
	}
	for r, err := range events {
		if err != nil {
			return err
		}
		if err := write(csvCells(r)); err != nil {
			return err
		}
	}
	return nil
}

func csvCells(r Record) []string {
	reported := ""
	if r.Reported != 0 {
		reported = r.Reported.String()
	}
	return []string{
		inert(r.ID), inert(r.Site), inert(r.Type), r.At.String(), r.ReceivedAt.String(), reported,
		inert(r.Page), inert(r.Session), strconv.FormatInt(r.Seq, 10), strconv.FormatInt(r.Mono, 10),
		inert(r.URL), inert(r.Referrer), inert(r.Title), inert(r.Lang), inert(r.ChatID), inert(r.UserID),
		r.Client, strings.Join(r.Flags, " "), inert(string(r.Object)), string(r.Extra),
	}
}

// inert returns cell such that no spreadsheet runs it.
func inert(cell string) string {
	first, size := utf8.DecodeRuneInString(cell)
	if size > 0 && strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

// WriteTable writes events for people, one Write a line. Text is shown without control characters:
// a terminal would obey them.
func WriteTable(w io.Writer, events iter.Seq2[Record, error]) error {
	const row = "%-24s  %-21s  %-20s  %-12s  %-12s  %s\n"
	if _, err := fmt.Fprintf(w, row, "AT", "TYPE", "SITE", "CHAT", "USER", "PAGE"); err != nil {
		return err
	}
	for r, err := range events {
		if err != nil {
			return err
		}
		page := r.URL
		if len(r.Flags) > 0 {
			page += " [" + strings.Join(r.Flags, " ") + "]"
		}
		_, err = fmt.Fprintf(w, row, r.At, plain(r.Type), plain(r.Site), plain(r.ChatID), plain(r.UserID), plain(page))
		if err != nil {
			return err
		}
	}
	return nil
}

// WriteRejectedTable is [WriteTable] for quarantined input.
func WriteRejectedTable(w io.Writer, rejects iter.Seq2[Reject, error]) error {
	const preview = 60
	const row = "%-24s  %-20s  %-16s  %8v  %-12.12s  %s\n"
	if _, err := fmt.Fprintf(w, row, "RECEIVED", "SITE", "REASON", "BYTES", "SHA-256", "BEGINS"); err != nil {
		return err
	}
	for r, err := range rejects {
		if err != nil {
			return err
		}
		begins := string(r.Raw[:min(len(r.Raw), preview)])
		if _, err := fmt.Fprintf(w, row, r.ReceivedAt, plain(r.Site), r.Reason, r.Length, r.SHA256, plain(begins)); err != nil {
			return err
		}
	}
	return nil
}

// plain returns s as a cell of a table.
func plain(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
