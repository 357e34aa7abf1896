package certify

import (
	"cmp"
	"slices"
)

// Certificates returns how the certificate of every host stands, sorted by name.
// Unlisted hosts are there while their certificate is in memory.
func (m *Manager) Certificates() []Status {
	var all []Status
	for _, h := range m.table() {
		s := Status{Host: h.name}
		if cert, ok := m.managed(h.name); ok {
			s.NotBefore, s.NotAfter, s.Issuer = cert.Leaf.NotBefore, cert.Leaf.NotAfter, cert.Leaf.Issuer.CommonName
		}
		if h.err != nil {
			s.Err = h.err.Error()
		}
		all = append(all, s)
	}
	all = append(all, m.fileCertificates()...)
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Host, b.Host) })
	return all
}

func (m *Manager) fileCertificates() []Status {
	m.changing.Lock()
	defer m.changing.Unlock()
	var all []Status
	for _, f := range m.files {
		for _, host := range f.site.Hosts {
			s := Status{Host: host, NotBefore: f.leaf.NotBefore, NotAfter: f.leaf.NotAfter, Issuer: f.leaf.Issuer.CommonName}
			if f.err != nil {
				s.Err = f.err.Error()
			}
			all = append(all, s)
		}
	}
	return all
}
