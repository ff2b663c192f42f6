// Echo with a goroutine for each connection: echo PORT
package main

import (
	"log"
	"net"
	"os"
)

const smallest, largest = 512, 65536

// serve begins with a small buffer, so that an idle connection is cheap, and doubles it while reads fill it.
func serve(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, smallest)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
		if n == len(buffer) && n < largest {
			buffer = make([]byte, 2*n)
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn)
	}
}
