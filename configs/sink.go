package configs

import "net/url"

// Name names the sink: its kind, and its stream, topic, table or address. How far it has come is kept
// under that name. It holds no secret: of an address it is the host and the path.
func (s *Sink) Name() string {
	switch {
	case s.NATS != nil:
		return "nats:" + s.NATS.Stream
	case s.Kafka != nil:
		return "kafka:" + s.Kafka.Topic
	case s.Postgres != nil:
		return "postgres:" + s.Postgres.Table
	case s.Webhook != nil:
		u, err := url.Parse(s.Webhook.URL)
		if err != nil {
			return "webhook:"
		}
		if u.Path == "/" {
			u.Path = ""
		}
		return "webhook:" + u.Host + u.EscapedPath()
	}
	return ""
}
