package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// machine is where the figures come from.
type machine struct {
	Date    string `json:"date"`
	Program string `json:"program"` // what ctlive version says
	CPUs    int    `json:"cpus"`
	Load    string `json:"loadavg"` // of the last minute before: what else the machine had to do
	Disk    string `json:"data"`    // folder that the store was below
}

// table is a table of figures for people: a row for each figure, a column for each phase.
type table struct {
	columns []string
	rows    [][]string
}

// row adds a row: its name, and what cell returns for each column.
func (t *table) row(name string, cell func(column int) string) {
	row := []string{name}
	for i := range t.columns {
		row = append(row, cell(i))
	}
	t.rows = append(t.rows, row)
}

// write writes t as Markdown.
func (t *table) write(w io.Writer) error {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(append([]string{""}, t.columns...))
	b.WriteString("|---" + strings.Repeat("|---:", len(t.columns)) + "|\n")
	for _, row := range t.rows {
		line(row)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// figures writes a summary as p50 / p99 / longest, in ms; "" for none.
func (s *summary) figures() string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("%.2f / %.2f / %.1f", s.P50, s.P99, s.Longest)
}

func writeJSON(w io.Writer, report any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
