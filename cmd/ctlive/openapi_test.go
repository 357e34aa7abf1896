package main

import (
	"bytes"
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"
)

// served are the paths of the admin listener besides the dashboard's files.
var served = []string{"/api/events", "/api/explain", "/api/live", "/api/rejected", "/api/report", "/api/stats",
	"/healthz", "/metrics", "/readyz", "/reload"}

type apiParameter struct {
	Ref     string `json:"$ref"`
	Name    string
	In      string
	Example string
	Schema  struct{ Enum []string }
}

type apiContent map[string]struct{ Schema json.RawMessage }

type apiResponse struct {
	Ref     string `json:"$ref"`
	Content apiContent
}

type apiOperation struct {
	Parameters []apiParameter
	Responses  map[string]apiResponse
}

// apiFile is the OpenAPI document, as far as a test needs it.
type apiFile struct {
	OpenAPI    string
	Paths      map[string]map[string]apiOperation
	Components struct {
		Parameters map[string]apiParameter
		Responses  map[string]apiResponse
		Schemas    map[string]any
	}
}

func readAPIFile(t *testing.T) *apiFile {
	t.Helper()
	var document any
	data, err := os.ReadFile("../../configs/api/openapi.yaml")
	if err == nil {
		err = yaml.Unmarshal(data, &document)
	}
	if err == nil {
		data, err = json.Marshal(document)
	}
	var f apiFile
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &f
}

// parameters returns those of an operation, by name.
func (f *apiFile) parameters(o apiOperation) map[string]apiParameter {
	all := map[string]apiParameter{}
	for _, p := range o.Parameters {
		if p.Ref != "" {
			p = f.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
		}
		all[p.Name] = p
	}
	return all
}

// content returns what an operation may answer with a status.
func (f *apiFile) content(o apiOperation, status string) apiContent {
	r := o.Responses[status]
	if r.Ref != "" {
		r = f.Components.Responses[strings.TrimPrefix(r.Ref, "#/components/responses/")]
	}
	return r.Content
}

// validate checks text against a schema of the file, closed: no member may come that it does not
// tell of.
func (f *apiFile) validate(t *testing.T, schema json.RawMessage, text []byte) {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	root["$defs"] = f.Components.Schemas
	closeObjects(root)
	data, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(bytes.ReplaceAll(data, []byte("#/components/schemas/"), []byte("#/$defs/")), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if err := resolved.Validate(v); err != nil {
		t.Errorf("%v in %s", err, text)
	}
}

func closeObjects(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		if _, open := s["additionalProperties"]; s["properties"] != nil && !open {
			s["additionalProperties"] = false
		}
		for _, member := range s {
			closeObjects(member)
		}
	case []any:
		for _, item := range s {
			closeObjects(item)
		}
	}
}

// items returns the JSON texts of an answer: its lines, the data of its events, or all of it.
func items(contentType string, body []byte) [][]byte {
	var all [][]byte
	switch contentType {
	case "application/json":
		return [][]byte{body}
	case "application/x-ndjson":
		for line := range bytes.Lines(body) {
			all = append(all, line)
		}
	case "text/event-stream":
		for line := range bytes.Lines(body) {
			if data, found := bytes.CutPrefix(line, []byte("data: ")); found {
				all = append(all, data)
			}
		}
	}
	return all
}

// stream is a response that ends the request half a second after it began.
type stream struct {
	*httptest.ResponseRecorder
	begun sync.Once
	end   func()
}

func (s *stream) Flush() {
	s.ResponseRecorder.Flush()
	s.begun.Do(func() { time.AfterFunc(500*time.Millisecond, s.end) })
}

// ask sends a request to the admin listener and gives a stream half a second.
func ask(t *testing.T, s *service, method, path string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	r := httptest.NewRequestWithContext(ctx, method, "http://127.0.0.1"+path, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	if strings.HasPrefix(path, "/api/live") {
		s.newAdmin(s.config).ServeHTTP(&stream{ResponseRecorder: w, end: stop}, r)
		return w
	}
	s.newAdmin(s.config).ServeHTTP(w, r)
	return w
}

func TestAPIFile(t *testing.T) {
	f, s := readAPIFile(t), newTestService(t)
	awaitFigures(t, s)
	var paths []string
	for path, operations := range f.Paths {
		paths = append(paths, path)
		for method, o := range operations {
			t.Run(path[1:], func(t *testing.T) { f.check(t, s, strings.ToUpper(method), path, o) })
		}
	}
	if slices.Sort(paths); !slices.Equal(paths, served) || f.OpenAPI != "3.1.0" {
		t.Errorf("version %s, paths %q, want %q", f.OpenAPI, paths, served)
	}
}

// awaitFigures waits until all events are counted.
func awaitFigures(t *testing.T, s *service) {
	t.Helper()
	for range 1000 {
		if strings.Contains(ask(t, s, "GET", "/api/report", nil).Body.String(), `"behind":0`) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("events are not counted")
}

// check sends every parameter by itself, all together and one too many.
func (f *apiFile) check(t *testing.T, s *service, method, path string, o apiOperation) {
	given := url.Values{}
	params := f.parameters(o)
	if p, ok := params["url"]; ok {
		given.Set("url", p.Example)
		f.answers(t, s, o, method, path+"?url=x", nil)
	}
	f.answers(t, s, o, method, path+"?"+given.Encode(), nil)
	for name, p := range params {
		for _, value := range append(p.Schema.Enum, p.Example) {
			if value == "" {
				t.Errorf("parameter %s has no example", name)
			}
			if p.In == "header" {
				f.answers(t, s, o, method, path, http.Header{name: {value}})
				continue
			}
			one := url.Values{"url": given["url"]}
			one.Set(name, value)
			if status := f.answers(t, s, o, method, path+"?"+one.Encode(), nil); status != http.StatusOK {
				t.Errorf("%s=%s is answered %d", name, value, status)
			}
			given.Set(name, value)
		}
	}
	f.answers(t, s, o, method, path+"?"+given.Encode(), nil)
	if strings.HasPrefix(path, "/api/") {
		f.complete(t, s, params, path)
	}
}

// answers sends a request and holds what comes against the file.
func (f *apiFile) answers(t *testing.T, s *service, o apiOperation, method, target string, header http.Header) int {
	t.Helper()
	w := ask(t, s, method, strings.TrimSuffix(target, "?"), header)
	content := f.content(o, strconv.Itoa(w.Code))
	contentType, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
	if err != nil && w.Body.Len() > 0 {
		contentType, _, err = mime.ParseMediaType(http.DetectContentType(w.Body.Bytes())) // as net/http does
	}
	described, ok := content[contentType]
	if err != nil || !ok {
		t.Errorf("%s: %d, %q is not described: %v", target, w.Code, contentType, err)
		return w.Code
	}
	for _, item := range items(contentType, w.Body.Bytes()) {
		f.validate(t, described.Schema, item)
	}
	return w.Code
}

// complete compares the parameters of the file with those that the refusal of another one lists.
func (f *apiFile) complete(t *testing.T, s *service, params map[string]apiParameter, path string) {
	t.Helper()
	w := ask(t, s, "GET", path+"?nosuch=1", nil)
	var refusal struct{ Message string }
	if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil || w.Code != http.StatusBadRequest {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	_, list, _ := strings.Cut(refusal.Message, "[")
	var accepted, described []string
	for _, quoted := range regexp.MustCompile(`"(\w+)"`).FindAllStringSubmatch(list, -1) {
		accepted = append(accepted, quoted[1])
	}
	for name, p := range params {
		if p.In == "query" {
			described = append(described, name)
		}
	}
	slices.Sort(accepted)
	if slices.Sort(described); !slices.Equal(accepted, described) {
		t.Errorf("accepted are %q, described %q", accepted, described)
	}
}
