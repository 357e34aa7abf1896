package main

import (
	"strings"
	"testing"
)

func TestCacheName(t *testing.T) {
	name := func(dsn, table string) string {
		t.Helper()
		name, err := cacheName(dsn, table)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	one := name("postgres://a:sesame@db.test/ctlive", "events")
	for _, dsn := range []string{"postgres://a:other@db.test/ctlive", "postgres://b@db.test:5432/ctlive?sslmode=require", "host=db.test user=a password=sesame dbname=ctlive"} {
		if got := name(dsn, "events"); got != one {
			t.Errorf("%s: another folder for the same table", dsn)
		}
	}
	for _, dsn := range []string{"postgres://a@db2.test/ctlive", "postgres://a@db.test/other", "postgres://a@db.test:1/ctlive"} {
		if name(dsn, "events") == one {
			t.Errorf("%s: the same folder for another database", dsn)
		}
	}
	if name("postgres://a@db.test/ctlive", "more") == one {
		t.Error("the same folder for another table")
	}
	if _, err := cacheName("postgres://a:sesame@[/", "events"); err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("a DSN that is none: %v", err)
	}
}

func TestCacheHasOneOwner(t *testing.T) {
	dir := t.TempDir() + "/a/b"
	c, err := openCache(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openCache(dir, ""); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Errorf("opened twice: %v", err)
	}
	c.close()
	again, err := openCache(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	again.close()
}
