// Bots of the LiveKit benchmark: each joins a room with LiveKit's own SDK and publishes one track, over and over the same
// encoded frames, sealed under a key of its own. Nothing is encoded or decoded here, so that the processor stays with
// the receiver, which is what is measured.
//
// In: one JSON object in a line (type job), then a line for each change: "sealed" or "clear". Out: "ready" when everybody
// publishes. Ends when its input does.
package main

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

type frame struct {
	Data []byte `json:"data"`
	// Clear bytes in front: 1 of Opus, 10 and 3 of VP8 key and delta frames.
	Clear int `json:"clear"`
}

type job struct {
	URL  string `json:"url"`
	Kind string `json:"kind"` // "audio" or "video"
	Bots []struct {
		Token string `json:"token"`
		Key   []byte `json:"key"` // AES-128, derived
	} `json:"bots"`
	// The first video frame is a key frame.
	Frames []frame `json:"frames"`
	Micros int64   `json:"micros"` // from frame to frame
}

var clear atomic.Bool

// LiveKit's format: clear bytes, AES-GCM of the rest with them as additional data, IV, its length, key index.
type sealer struct {
	aead    cipher.AEAD
	ssrc    uint32
	counter uint32
	clear   int
}

func newSealer(key []byte) (*sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var start [4]byte
	if _, err = rand.Read(start[:]); err != nil {
		return nil, err
	}
	return &sealer{aead: aead, ssrc: binary.BigEndian.Uint32(start[:])}, nil
}

func (s *sealer) EncryptFrame(data []byte) ([]byte, error) {
	if clear.Load() {
		return data, nil
	}
	s.counter++
	iv := make([]byte, 12)
	binary.BigEndian.PutUint32(iv, s.ssrc)
	binary.BigEndian.PutUint32(iv[4:], s.counter*960)
	binary.BigEndian.PutUint32(iv[8:], s.counter)
	out := make([]byte, s.clear, len(data)+30)
	copy(out, data[:s.clear])
	out = s.aead.Seal(out, iv, data[s.clear:], data[:s.clear])
	out = append(out, iv...)
	return append(out, 12, 0), nil
}

func publish(work *job, index int) error {
	bot := work.Bots[index]
	seal, err := newSealer(bot.Key)
	if err != nil {
		return err
	}
	var restart atomic.Bool
	codec := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}
	options := &lksdk.TrackPublicationOptions{
		Source: livekit.TrackSource_MICROPHONE, DisableDTX: true, Encryption: livekit.Encryption_GCM,
	}
	if work.Kind == "video" {
		codec = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}
		options.Source = livekit.TrackSource_CAMERA
		options.VideoWidth, options.VideoHeight = 320, 240
	}
	track, err := lksdk.NewLocalTrack(codec, lksdk.WithFrameEncryptor(seal), lksdk.WithRTCPHandler(func(packet rtcp.Packet) {
		switch packet.(type) {
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			restart.Store(true)
		}
	}))
	if err != nil {
		return err
	}
	room, err := lksdk.ConnectToRoomWithToken(work.URL, bot.Token, lksdk.NewRoomCallback(), lksdk.WithAutoSubscribe(false))
	if err != nil {
		return err
	}
	bound := make(chan struct{})
	track.OnBind(sync.OnceFunc(func() { close(bound) }))
	if _, err = room.LocalParticipant.PublishTrack(track, options); err != nil {
		return err
	}
	select {
	case <-bound:
	case <-time.After(20 * time.Second):
		return fmt.Errorf("track of bot %d was not negotiated", index)
	}
	period := time.Duration(work.Micros) * time.Microsecond
	go func() {
		// People do not speak in step: the golden ratio spreads any number of them over the period.
		next := time.Now().Add(time.Duration(float64(index+1) * 0.6180339887 * float64(period))).Truncate(0)
		for at := 0; ; at++ {
			next = next.Add(period)
			time.Sleep(time.Until(next))
			if at == len(work.Frames) || restart.Swap(false) {
				at = 0
			}
			each := work.Frames[at]
			seal.clear = each.Clear
			_ = track.WriteSample(media.Sample{Data: each.Data, Duration: period}, nil)
		}
	}()
	return nil
}

func run() error {
	lksdk.SetLogger(logger.GetDiscardLogger())
	input := bufio.NewReaderSize(os.Stdin, 1<<16)
	line, err := input.ReadBytes('\n')
	if err != nil {
		return err
	}
	var work job
	if err = json.Unmarshal(line, &work); err != nil {
		return err
	}
	if len(work.Frames) == 0 || len(work.Bots) == 0 || work.Micros <= 0 {
		return fmt.Errorf("an empty job")
	}
	for index := range work.Bots {
		if err = publish(&work, index); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return nil
		}
		clear.Store(line == "clear\n")
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
