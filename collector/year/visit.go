package year

import (
	"fmt"
	"time"
)

// visit is a page view that goes on.
type visit struct {
	*year
	site      int
	at, begin time.Time
	flags     int64
	user      string
	chat      any // its id; nil: none has begun
	seq       int
}

var clickKinds = []string{"Chat", "CallbackNow", "CallbackLater", "ClickToCall"}

func (v *visit) run() {
	v.event("Loaded", `{"elementID":"e1","widgetID":"w1","userID":"`+v.user+`"}`, 400)
	v.event("WidgetShown", `{"elementID":"e1","widgetID":"w1","userID":"`+v.user+`"}`, 800)
	if v.rng.IntN(3) > 0 {
		v.event("WidgetHidden", `{"elementID":"e1","widgetID":"w1","userID":"`+v.user+`"}`, 9000)
	}
	if v.rng.IntN(3) > 0 {
		return
	}
	kind := clickKinds[v.rng.IntN(len(clickKinds))]
	v.event("WidgetClicked", `{"elementID":"e1","widgetID":"w1","userID":"`+v.user+`","type":"`+kind+`"}`, 20_000)
	v.event("DatacollectionStarted", `{"userID":"`+v.user+`","type":"`+kind+`"}`, 2_000)
	if v.rng.IntN(2) == 0 {
		v.talk()
	}
}

// talk is a chat, in which an operator tells of himself on every message. One in ten is missed.
func (v *visit) talk() {
	v.chats++
	chat := fmt.Sprintf("chat-%08d", v.chats)
	v.chat = chat
	v.event("ChatStarted", `{"chatID":"`+chat+`","userID":"`+v.user+`"}`, 5_000)
	if v.rng.IntN(10) == 0 {
		return
	}
	online := `{"chatID":"` + chat + `","users":["` + v.user + `","agent7"]}`
	v.event("ChatOnline", online, 15_000)
	for range v.rng.IntN(8) {
		v.event("ChatOnline", online, 30_000)
	}
	v.event("ChatFinished", `{"chatID":"`+chat+`","userID":"`+v.user+`","isSurveyConfigured":true}`, 180_000)
}

// event adds an event that comes after about so many milliseconds.
func (v *visit) event(typ, object string, after float64) {
	v.at = v.at.Add(time.Duration(v.rng.ExpFloat64()*after) * time.Millisecond)
	v.row++
	v.left--
	v.seq++
	v.events.add(v.row, v.site, v.id(v.at), v.view, typ, v.seq, v.at.UnixMilli(), v.at.Sub(v.begin).Milliseconds()+1,
		v.at.UnixMilli()+300, v.chat, v.user, v.flags, object)
}
