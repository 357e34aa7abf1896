// Package configs reads ctlive's configuration: one YAML file, or the few flags
// that stand for one.
//
// [Load], [Parse] and [Single] give back either a complete [Config], with every
// default filled in and every value checked and in canonical form, or
// [Problems]: all that is wrong with the input, each with its place and its fix.
// Afterwards nothing needs checking again.
//
// A key that is left out, or has no value, keeps its default. In values that are
// text, ${NAME} stands for the environment variable NAME, and $${NAME} for the
// characters ${NAME}; any other $ is itself. Paths are relative to the folder of
// the file they stand in.
package configs

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
)

//go:generate go test -run ^TestSchemaFile$ . -update

// Config is the whole configuration. The yaml tag of a field is its key, the is
// tag the kind of text it takes: a name in kinds, or the words to choose from,
// the first being what happens without the key; with "?" it may be empty.
type Config struct {
	Listen         Listen         `yaml:"listen"`
	Admin          Admin          `yaml:"admin"`
	Data           string         `yaml:"data" is:"path"` // folder of the event store
	TLS            TLS            `yaml:"tls"`
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies" is:"network"`
	ProxyProtocol  bool           `yaml:"proxy_protocol"` // then TrustedProxies is not empty
	Sites          []Site         `yaml:"sites"`          // at least one
	Collector      Collector      `yaml:"collector"`
	Log            Log            `yaml:"log"`

	file  string
	marks map[string]*mark // where each key path was found
}

// Listen holds the addresses visitors connect to, as host:port; empty is off, and
// at least one is set.
type Listen struct {
	HTTP  string   `yaml:"http" is:"address?"`
	HTTPS string   `yaml:"https" is:"address?"`
	Grace Duration `yaml:"grace" is:"duration"` // for requests to end after SIGTERM
}

// Admin is the listener of the dashboard, the API and the metrics. Token is set
// whenever Listen is not a loopback address.
type Admin struct {
	Listen string `yaml:"listen" is:"address"`
	Token  string `yaml:"token" is:"token?"`
}

// TLS says where the certificates of Listen.HTTPS come from: from CA, or with
// Internal from a local CA. Every host of the sites can have one.
type TLS struct {
	Email    string   `yaml:"email" is:"email?"`
	CA       string   `yaml:"ca" is:"url"`        // ACME directory
	CARoot   string   `yaml:"ca_root" is:"file?"` // PEM file
	Internal bool     `yaml:"internal"`
	Storage  string   `yaml:"storage" is:"secret?"` // DSN of the database that edges share; empty: Data
	OnDemand OnDemand `yaml:"on_demand"`
}

// OnDemand allows certificates for hosts that no site names; without Ask it is off.
type OnDemand struct {
	Ask string `yaml:"ask" is:"url?"`
}

// Site is a group of hosts served from the same upstreams.
type Site struct {
	Hosts    []string   `yaml:"hosts" is:"host"`  // canonical (see kinds), unique over all sites
	To       []*url.URL `yaml:"to" is:"upstream"` // scheme and host only
	TLS      KeyPair    `yaml:"tls"`
	HSTS     Duration   `yaml:"hsts" is:"age"`      // max-age of Strict-Transport-Security, whole seconds; 0: not sent
	Prefix   string     `yaml:"prefix" is:"prefix"` // reserved path, begins and ends with "/"
	Tenant   string     `yaml:"tenant" is:"tenant?"`
	SDK      string     `yaml:"sdk" is:"sdk"` // with "{tenant}" in it
	Inject   Inject     `yaml:"inject"`
	Listener Listener   `yaml:"listener"`
	Balance  Balance    `yaml:"balance"`
}

// SDKURL returns the address of the tenant's CTLive SDK, or "" without a tenant.
func (s *Site) SDKURL() string {
	if s.Tenant == "" {
		return ""
	}
	return strings.ReplaceAll(s.SDK, "{tenant}", s.Tenant)
}

// KeyPair is a certificate of one's own: PEM files, both or neither.
type KeyPair struct {
	Cert string `yaml:"cert" is:"file?"`
	Key  string `yaml:"key" is:"file?"`
}

// Inject chooses the pages to inject by their path.
type Inject struct {
	Include []string `yaml:"include" is:"pattern"`
	Exclude []string `yaml:"exclude" is:"pattern"` // wins over Include
	Frames  bool     `yaml:"frames"`
}

// Listener configures the script that runs in the pages.
type Listener struct {
	Consent   string   `yaml:"consent" is:"implied|required"`
	GPC       string   `yaml:"gpc" is:"respect|ignore"`
	Query     string   `yaml:"query" is:"strip|keep"`
	DataLayer bool     `yaml:"dataLayer"`
	Origins   []string `yaml:"origins" is:"origin"`
	Handlers  string   `yaml:"handlers" is:"file?"`
}

// Balance spreads requests over a site's upstreams.
type Balance struct {
	Policy string `yaml:"policy" is:"least_conn|round_robin"`
	Health Health `yaml:"health"`
}

// Health asks each upstream for Path; without Path it is off.
type Health struct {
	Path  string   `yaml:"path" is:"route?"`
	Every Duration `yaml:"every" is:"duration"`
}

// Collector takes the events in and keeps them.
type Collector struct {
	Retention Duration  `yaml:"retention" is:"duration"`
	MaxBody   Size      `yaml:"max_body" is:"size"`
	Rate      RateLimit `yaml:"rate"`
	IP        string    `yaml:"ip" is:"truncate|keep|drop"`
	UserIDs   string    `yaml:"user_ids" is:"keep|pseudonym"`
	TokenKeys []string  `yaml:"token_keys" is:"key"` // of the page tokens, the first one signs; none: a key in Data
	Forward   []Sink    `yaml:"forward"`
	Backlog   Duration  `yaml:"backlog" is:"duration"`
}

// RateLimit bounds what one client may send: PerClient on the long run, Burst
// events at once.
type RateLimit struct {
	PerClient Rate `yaml:"per_client" is:"rate"`
	Burst     int  `yaml:"burst"`
}

// Sink is where stored events are forwarded to: exactly one field is set.
type Sink struct {
	NATS     *NATS     `yaml:"nats"`
	Kafka    *Kafka    `yaml:"kafka"`
	Postgres *Postgres `yaml:"postgres"`
	Webhook  *Webhook  `yaml:"webhook"`
}

// NATS is a JetStream stream. URL may list several servers, with commas.
type NATS struct {
	URL      string `yaml:"url" is:"nats"`
	Stream   string `yaml:"stream" is:"name"`
	Subject  string `yaml:"subject" is:"name"` // {site} and {type} are filled in
	Replicas int    `yaml:"replicas"`
}

// Kafka is a topic.
type Kafka struct {
	Brokers []string `yaml:"brokers" is:"address"`
	Topic   string   `yaml:"topic" is:"name"`
}

// Postgres is a table.
type Postgres struct {
	DSN   string `yaml:"dsn" is:"secret"`
	Table string `yaml:"table" is:"name"`
}

// Webhook is a URL that takes batches, signed with Secret.
type Webhook struct {
	URL    string `yaml:"url" is:"url"`
	Secret string `yaml:"secret" is:"secret"`
}

// Log configures the access and error log on stderr.
type Log struct {
	Level  string `yaml:"level" is:"info|debug|warn|error"`
	Format string `yaml:"format" is:"auto|text|json"`
	Access bool   `yaml:"access"`
	Query  bool   `yaml:"query"` // also the raw query of each request
}

// Default returns the configuration of an empty file. It has no site yet.
func Default() *Config {
	return &Config{
		Listen: Listen{HTTP: ":80", Grace: Duration(10 * time.Second)},
		Admin:  Admin{Listen: "127.0.0.1:9180"},
		Data:   "/var/lib/ctlive",
		TLS:    TLS{CA: publicCA},
		Collector: Collector{
			Retention: 395 * day,
			MaxBody:   64 << 10,
			Rate:      RateLimit{PerClient: Rate{Count: 50, Per: time.Second}, Burst: 200},
			IP:        "truncate",
			UserIDs:   "keep",
			Backlog:   30 * day,
		},
		Log: Log{Level: "info", Format: "auto", Access: true},
	}
}

// publicCA is the ACME directory of Let's Encrypt.
const publicCA = "https://acme-v02.api.letsencrypt.org/directory"

// What differs from Default when there is no file.
const (
	singleListen = ":8080"
	singleData   = "ctlive-data"
)

// DefaultSite returns a site of which nothing is said: it has neither hosts nor
// upstreams.
func DefaultSite() Site {
	return Site{
		Prefix:   "/.ctlive/",
		SDK:      "https://ctlive.cloudando.com/livechat/{tenant}/lib/livechatsdk.js",
		Inject:   Inject{Include: []string{"/**"}},
		Listener: Listener{Consent: "implied", GPC: "respect", Query: "strip"},
		Balance:  Balance{Policy: "least_conn", Health: Health{Every: Duration(5 * time.Second)}},
	}
}

func (s *Site) setDefaults() { *s = DefaultSite() }

func (n *NATS) setDefaults() {
	*n = NATS{Stream: "CTLIVE", Subject: "ctlive.events.{site}.{type}", Replicas: 1}
}

func (k *Kafka) setDefaults() { *k = Kafka{Topic: "ctlive-events"} }

func (p *Postgres) setDefaults() { *p = Postgres{Table: "ctlive_events"} }
