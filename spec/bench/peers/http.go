// HTTP with Go's net/http: http FILES PORT
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
)

type lamp struct {
	Id     int      `json:"id"`
	Name   string   `json:"name"`
	Price  float64  `json:"price"`
	Active bool     `json:"active"`
	Tags   []string `json:"tags"`
}

// room has a channel for each of those who watch /events.
type room struct {
	sync.Mutex
	viewers map[chan []byte]bool
}

func sendText(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, text)
}

func sendLamp(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(lamp{7, "lamp", 19.75, true, []string{"home", "light"}})
}

func (room *room) join() chan []byte {
	events := make(chan []byte, 64)
	room.Lock()
	room.viewers[events] = true
	room.Unlock()
	return events
}

func (room *room) leave(events chan []byte) {
	room.Lock()
	delete(room.viewers, events)
	room.Unlock()
}

func (room *room) view(w http.ResponseWriter, r *http.Request) {
	events := room.join()
	defer room.leave(events)
	w.Header().Set("Content-Type", "text/event-stream")
	w.(http.Flusher).Flush()
	for {
		select {
		case event := <-events:
			if _, err := w.Write(event); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func (room *room) publish(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	event := []byte("data: " + string(text) + "\n\n")
	room.Lock()
	for events := range room.viewers {
		events <- event
	}
	room.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

func main() {
	room := &room{viewers: map[chan []byte]bool{}}
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { sendText(w, "Hello, world") })
	http.HandleFunc("/hello/", func(w http.ResponseWriter, r *http.Request) {
		sendText(w, "Hello, "+strings.TrimPrefix(r.URL.Path, "/hello/"))
	})
	http.HandleFunc("/json", sendLamp)
	http.Handle("/files/", http.StripPrefix("/files/", http.FileServer(http.Dir(os.Args[1]))))
	http.HandleFunc("/events", room.view)
	http.HandleFunc("/publish", room.publish)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[2], nil))
}
