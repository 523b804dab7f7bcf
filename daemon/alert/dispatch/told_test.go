package dispatch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vedette-monitor/vedette/daemon/alert/incident"
	"github.com/vedette-monitor/vedette/daemon/alert/policy"
)

// TestWhoIsToldWhatAroundASuppression goes through every kind of suppression, which holds from 12:10 to 12:30, with an incident that fires
// before, during or after it and resolves before, during or after it, or not at all. A sample comes every minute.
func TestWhoIsToldWhatAroundASuppression(t *testing.T) {
	begin := map[string]func(d *desk){
		"silence": func(d *desk) {
			_, err := d.Silence(&incident.Silence{Match: `target == "shop"`, Author: "wang", Reason: "release", Until: noon.Add(30 * time.Minute)}, false, d.now)
			if err != nil {
				d.t.Fatal(err)
			}
		},
		"inhibit": func(d *desk) { d.fire("host_silent", "shop") },
		"ack": func(d *desk) {
			for _, i := range d.sorted() {
				if _, err := d.Acknowledge(i.ID, incident.Ack{By: "wang", At: d.now, Until: noon.Add(30 * time.Minute)}); err != nil {
					d.t.Fatal(err)
				}
			}
		},
	}
	end := map[string]func(d *desk){"inhibit": func(d *desk) { d.resolve("host_silent", "shop") }}
	policies := map[string]func(p *policy.Policy){
		"maintenance": func(p *policy.Policy) {
			p.Maintenance = []*policy.Maintenance{{Name: "release", Match: match(t, `target == "shop"`), Windows: daily(12*time.Hour+10*time.Minute, 20*time.Minute)}}
		},
		"hours": func(p *policy.Policy) {
			p.Route.Active = &policy.Hours{Name: "work", Windows: append(daily(0, 12*time.Hour+10*time.Minute), daily(12*time.Hour+30*time.Minute, 11*time.Hour)...)}
		},
		"inhibit": func(p *policy.Policy) {
			p.Alerts = append(p.Alerts, alert(t, "host_silent"))
			p.Alerts[1].Notify = []string{}
			p.Inhibitions = []*policy.Inhibition{{Name: "silent", Source: match(t, `alert == "host_silent"`), Target: match(t, `alert != "host_silent"`), Equal: []string{"target"}}}
		},
	}
	ended := map[string]string{
		"silence": " (silence ID by wang ended)", "maintenance": " (maintenance release ended)", "hours": " (hours work ended)", "inhibit": " (inhibit silent by host_silent ended)",
	}
	// What is told, by when it fires and when it resolves. ENDED stands for what the notice says of the suppression.
	usual := map[string]string{
		"12:05 12:08": "12:05 mail firing site_down; 12:08 mail resolved site_down",
		"12:05 12:20": "12:05 mail firing site_down; 12:20 mail resolved site_down",
		"12:05 12:40": "12:05 mail firing site_down; 12:31 sms escalation site_downENDED; 12:40 mail resolved site_down; 12:40 sms resolved site_down",
		"12:05 never": "12:05 mail firing site_down; 12:31 sms escalation site_downENDED",
		"12:15 12:20": "",
		"12:15 12:40": "12:31 mail firing site_downENDED; 12:31 sms escalation site_downENDED; 12:40 mail resolved site_down; 12:40 sms resolved site_down",
		"12:15 never": "12:31 mail firing site_downENDED; 12:31 sms escalation site_downENDED",
		"12:35 12:40": "12:35 mail firing site_down; 12:40 mail resolved site_down",
		"12:35 never": "12:35 mail firing site_down; 12:50 sms escalation site_down",
		// The one that wakes people was told before: it is not woken for the end.
		"11:45 12:20": "11:45 mail firing site_down; 12:00 sms escalation site_down; 12:20 mail resolved site_down",
		"11:45 12:40": "11:45 mail firing site_down; 12:00 sms escalation site_down; 12:40 mail resolved site_down; 12:40 sms resolved site_down",
	}
	// An acknowledgement is of one incident: it stops steps and reminders of that, and keeps nothing else quiet.
	acknowledged := map[string]string{
		"12:05 12:08": usual["12:05 12:08"],
		"12:05 12:20": usual["12:05 12:20"],
		"12:05 12:40": "12:05 mail firing site_down; 12:30 sms escalation site_down; 12:40 mail resolved site_down; 12:40 sms resolved site_down",
		"12:05 never": "12:05 mail firing site_down; 12:30 sms escalation site_down",
		"12:15 12:20": "12:15 mail firing site_down; 12:20 mail resolved site_down",
		"12:15 12:40": "12:15 mail firing site_down; 12:30 sms escalation site_down; 12:40 mail resolved site_down; 12:40 sms resolved site_down",
		"12:15 never": "12:15 mail firing site_down; 12:30 sms escalation site_down",
		"12:35 12:40": usual["12:35 12:40"],
		"12:35 never": usual["12:35 never"],
		"11:45 12:20": "11:45 mail firing site_down; 12:00 sms escalation site_down; 12:20 mail resolved site_down; 12:20 sms resolved site_down",
		"11:45 12:40": usual["11:45 12:40"],
	}
	for _, kind := range []string{"silence", "maintenance", "hours", "inhibit", "ack"} {
		table := usual
		if kind == "ack" {
			table = acknowledged
		}
		for times, want := range table {
			t.Run(kind+" "+times, func(t *testing.T) {
				p := simple(t)
				p.Route.Wait, p.Route.Interval = 0, 0
				if change := policies[kind]; change != nil {
					change(p)
				}
				d := newDesk(t, p)
				d.now = noon.Add(-20 * time.Minute)
				var fires, resolves string
				if _, err := fmt.Sscan(times, &fires, &resolves); err != nil {
					t.Fatal(err)
				}
				for minute := range 90 {
					d.until(noon.Add(time.Duration(minute-20)*time.Minute).Format("15:04"), "shop")
					switch now := d.now.Format("15:04"); now {
					case fires:
						d.fire("site_down", "shop")
					case resolves:
						d.resolve("site_down", "shop")
					case "12:10":
						if f := begin[kind]; f != nil {
							f(d)
						}
					case "12:30":
						if f := end[kind]; f != nil {
							f(d)
						}
					}
				}
				note := ended[kind]
				if kind == "silence" && len(d.Silences()) > 0 {
					note = strings.ReplaceAll(note, "ID", d.Silences()[0].ID)
				}
				if kind == "hours" {
					// The window is open at 12:30:00, and so is the sample of that moment within it.
					want = strings.ReplaceAll(want, "12:31", "12:30")
				}
				d.want(strings.ReplaceAll(strings.ReplaceAll(want, "; ", "\n"), "ENDED", note))
			})
		}
	}
}
