package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// remark logs in what the topic is weaker than it could be. What cannot be asked stays unsaid:
// events are sent all the same.
func (s *Sink) remark(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if replicas, ok := s.replicas(ctx); ok && replicas == 1 {
		s.log.Warn("kafka topic has one replica: what its broker loses is lost", "topic", s.topic)
		return
	}
	if inSync, ok := s.setting(ctx, "min.insync.replicas"); ok && inSync == "1" {
		s.log.Warn("kafka topic has min.insync.replicas=1: an acknowledged event may be on one broker only; set 2", "topic", s.topic)
	}
}

// replicas returns the smallest number of replicas of a partition.
func (s *Sink) replicas(ctx context.Context) (fewest int, ok bool) {
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &s.topic
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(ctx, s.client)
	if err != nil || len(res.Topics) != 1 || kerr.ErrorForCode(res.Topics[0].ErrorCode) != nil {
		return 0, false
	}
	for i, p := range res.Topics[0].Partitions {
		if i == 0 || len(p.Replicas) < fewest {
			fewest = len(p.Replicas)
		}
	}
	return fewest, fewest > 0
}

// setting returns one of the topic's settings.
func (s *Sink) setting(ctx context.Context, name string) (value string, ok bool) {
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType = kmsg.ConfigResourceTypeTopic
	resource.ResourceName = s.topic
	resource.ConfigNames = []string{name}
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Resources = append(req.Resources, resource)
	res, err := req.RequestWith(ctx, s.client)
	if err != nil || len(res.Resources) != 1 {
		return "", false
	}
	for _, c := range res.Resources[0].Configs {
		if c.Name == name && c.Value != nil {
			return *c.Value, true
		}
	}
	return "", false
}
