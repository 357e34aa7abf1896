package report

// Figures are the numbers of a range. Times are Unix milliseconds, durations milliseconds. No list
// is nil.
type Figures struct {
	Since int64    `json:"since"` // the minute that the range begins with
	Until int64    `json:"until"` // and the one before which it ends
	Start int64    `json:"start"` // of the first step: Since, or up to a step before it
	Step  int64    `json:"step"`
	Zone  string   `json:"tz"`
	Sites []string `json:"sites"` // that there are

	// Behind is how many events are stored and not counted yet: some while the figures are built.
	Behind int64 `json:"behind"`

	// Stale is when the figures were up to date last, 1 if never; 0: they are. Until the store of
	// events can be read again they are as they were, and without what was lost on the server.
	Stale int64 `json:"stale,omitzero"`

	// Shared says that the events are those of all edges: what each edge knows of its certificates,
	// its upstreams and the input that it rejected is not here. It is the caller's.
	Shared bool `json:"shared,omitzero"`

	Funnel       []Step        `json:"funnel"`
	Series       []Series      `json:"series"` // always all types of the vendor's
	Clicks       []Click       `json:"clicks"`
	Chats        Chats         `json:"chats"`
	Hours        [7][24]int64  `json:"hours"` // chats by the hour of their first event; Monday first
	Pages        []PageFigures `json:"pages"` // by chats, then views
	Losses       []Loss        `json:"losses"`
	Flagged      Flagged       `json:"flagged"` // among all events, whether counted here or not
	Injection    Injection     `json:"injection"`
	Certificates []Certificate `json:"certificates"` // the caller's
	Upstreams    []Upstream    `json:"upstreams"`    // the caller's
	Sinks        []Sink        `json:"sinks"`        // the caller's
	Previous     *Previous     `json:"previous,omitzero"`
}

// Step is a step of the funnel.
type Step struct {
	Step  string `json:"step"`
	Views int64  `json:"views"` // page views that reached it; for "injected", pages
	Chats *int64 `json:"chats"` // nil before there can be one
}

// Series has the events of a type, for each step of time.
type Series struct {
	Type   string  `json:"type"`
	Counts []int64 `json:"counts"`
}

// Click counts the clicks of a kind.
type Click struct {
	Kind string `json:"kind"`
	N    int64  `json:"n"`
}

// Chats are the chats whose first event lies in the range. Of those started, each is online, missed
// or waiting.
type Chats struct {
	Started     int64        `json:"started"`
	Online      int64        `json:"online"`
	Finished    int64        `json:"finished"`
	Missed      int64        `json:"missed"`  // never online; takes it back if that comes yet
	Waiting     int64        `json:"waiting"` // not online, and not for longer than MissedAfter
	MissedAfter int64        `json:"missed_after"`
	Wait        Distribution `json:"wait"`     // first ChatStarted to first ChatOnline
	Duration    Distribution `json:"duration"` // first ChatOnline to last ChatFinished
}

// Distribution is of N durations. Median and P95 are exact: the smallest of them that half, and 95
// in a hundred, do not exceed.
type Distribution struct {
	N       int64 `json:"n"`
	Median  int64 `json:"median"`
	P95     int64 `json:"p95"`
	Buckets []Bar `json:"buckets"`
}

// Bar counts durations above the Bar before and up to To; nil: all above.
type Bar struct {
	To *int64 `json:"to"`
	N  int64  `json:"n"`
}

// PageFigures are those of a page: views that began, and chats that started on it.
type PageFigures struct {
	URL   string `json:"url"`
	Views int64  `json:"views"`
	Chats int64  `json:"chats"`
}

// Loss is what did not become an event: in the page, by the minute that its view began in, or on
// the server. What the server refused unread is known by day only: it is that of each day, in UTC,
// that the range touches.
type Loss struct {
	Where  string `json:"where"`
	Reason string `json:"reason"`
	N      int64  `json:"n"`
}

// Flagged counts events by their flags.
type Flagged struct {
	Untrusted   int64 `json:"untrusted"`
	Bot         int64 `json:"bot"`
	Prerender   int64 `json:"prerender"`
	Skew        int64 `json:"skew"`
	UnknownType int64 `json:"unknown_type"`
	BadField    int64 `json:"bad_field"`
}

// Injection is what became of the pages that the injector looked at, and of those it injected.
type Injection struct {
	Results  []Outcome       `json:"results"`
	Series   []OutcomeSeries `json:"series"`
	Listener int64           `json:"listener"` // page views that reported anything
	Loaded   int64           `json:"loaded"`   // page views with a Loaded
}

// Outcome counts pages.
type Outcome struct {
	Result string `json:"result"`
	Reason string `json:"reason"`
	N      int64  `json:"n"`
}

// OutcomeSeries has the pages of an outcome, named by its reason or, without one, its result.
type OutcomeSeries struct {
	Reason string  `json:"reason"`
	Counts []int64 `json:"counts"`
}

// Certificate is for the caller to fill in.
type Certificate struct {
	Host     string `json:"host"`
	NotAfter int64  `json:"not_after"`
	Error    string `json:"error"`
}

// Upstream is for the caller to fill in.
type Upstream struct {
	Site string `json:"site"`
	URL  string `json:"url"`
	Up   bool   `json:"up"`
}

// Sink is for the caller to fill in.
type Sink struct {
	Sink    string `json:"sink"`
	Backlog int64  `json:"backlog"` // events that it has not taken yet
	Lag     int64  `json:"lag"`     // age of the oldest of them
	Lost    int64  `json:"lost"`    // events that grew too old before it had taken them
	Error   string `json:"error"`   // why the last attempt failed; "" if it did not
}

// Previous has figures of the range of the same length before.
type Previous struct {
	Since  int64  `json:"since"`
	Until  int64  `json:"until"`
	Funnel []Step `json:"funnel"`
	Chats  Chats  `json:"chats"`
}
