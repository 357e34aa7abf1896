package postgres

import "github.com/jackc/pgx/v5/pgtype"

// instant is a timestamptz in Unix milliseconds.
type instant int64

// ScanTimestamptz takes what the server has sent. An infinite time, which we never write, is 1970.
func (i *instant) ScanTimestamptz(v pgtype.Timestamptz) error {
	*i = 0
	if v.InfinityModifier == pgtype.Finite {
		*i = instant(v.Time.UnixMilli())
	}
	return nil
}
