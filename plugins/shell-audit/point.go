package main

import (
	"time"

	"github.com/vedette-monitor/vedette/plugins/shell-audit/chain"
	"github.com/vedette-monitor/vedette/sdk"
)

var tags = []sdk.TagSchema{
	{Name: "user", Doc: "who typed it: the user who logged in, where that is attested, else the user of the process"},
	{Name: "shell", Doc: "bash, zsh, fish or another"},
	{Name: "source", Doc: "hook: the shell itself; exec: the kernel's eBPF; audit: the kernel's audit"},
}

// The links of the chain, as fields.
var (
	linkSeq = sdk.FieldSchema{Name: chain.FieldSeq, Type: "int", Doc: "its number in the host's chain"}
	linkMAC = sdk.FieldSchema{Name: chain.FieldMAC, Type: "string", Doc: "its link in the chain, in hexadecimal"}
)

var commandMeasurement = sdk.Measurement{
	Name: chain.Commands,
	Doc:  "One point a command: there when it starts, completed when it ends.",
	Tags: tags,
	Fields: []sdk.FieldSchema{
		{Name: "command", Type: "string", Doc: "what was typed, on one line, without secrets; a backslash begins what can not be shown"},
		{Name: "history_id", Type: "int", Doc: "its number in the shell's history; absent if it has none"},
		{Name: "uid", Type: "int", Doc: "number of the user of the process"},
		{Name: "auid", Type: "int", Doc: "number of the user who logged in, as the kernel has it; absent if nobody has"},
		{Name: "login_attested", Type: "bool", Doc: "auid was set by a program that logs people in; anybody without a login can claim any"},
		{Name: "session", Type: "string", Doc: "the shell: the boot, its process and its beginning"},
		{Name: "pid", Type: "int", Doc: "process of the shell, or of the program that was run"},
		{Name: "ppid", Type: "int", Doc: "the parent of that process"},
		{Name: "tty", Type: "string", Doc: "its terminal, such as pts/3"},
		{Name: "cwd", Type: "string", Doc: "directory in which it was typed"},
		{Name: "exit_code", Type: "int", Doc: "its exit status; absent until it ends"},
		{Name: "duration_us", Type: "int", Unit: "us", Doc: "how long it ran; absent until it ends"},
		{Name: "ssh_client", Type: "string", Doc: "where the session comes from, as the shell claims"},
		{Name: "address", Type: "string", Doc: "own address to which it came, as the shell claims, else that of the host"},
		{Name: "seq", Type: "int", Doc: "number of the record in its shell"},
		{Name: "exe", Type: "string", Doc: "program of the process"},
		{Name: "attestation", Type: "int", Doc: "3: the kernel names the process that said so; 2: the user; 1: it is only claimed"},
		{Name: "redacted", Type: "int", Doc: "how many secrets were taken out; absent if none"},
		{Name: "command_mac", Type: "string", Doc: "equal for equal commands of this host, where a secret was taken out"},
		{Name: "truncated", Type: "bool", Doc: "the command is only a beginning"},
		linkSeq, linkMAC,
		{Name: chain.FieldEndSeq, Type: "int", Doc: "number of its end in the chain"},
		{Name: chain.FieldEndMAC, Type: "string", Doc: "link of its end in the chain"},
		{Name: "timestamp", Type: "int", Unit: "ns", Doc: "since 1970; the point's time, for tables to sort by"},
	},
	Record: true,
	Open:   false,
}

var eventMeasurement = sdk.Measurement{
	Name: "shell_event",
	Doc:  "What happened to the audit itself.",
	Tags: append(tags[:len(tags):len(tags)], sdk.TagSchema{Name: "kind", Doc: "hello, bye: a shell began or ended; no_hook: one does not report; hook_gone: one has ceased to; gap: records are missing; drop: some could not be written or read; throttle: a user writes too much; credential_mismatch: somebody used another's connection; skew: a time was not believed; start, stop: the collector's own"}),
	Fields: []sdk.FieldSchema{
		{Name: "count", Type: "int", Doc: "how many"},
		{Name: "detail", Type: "string", Doc: "what happened, in words"},
		{Name: "uid", Type: "int", Doc: "number of the user"},
		{Name: "pid", Type: "int", Doc: "process of the shell"},
		{Name: "session", Type: "string", Doc: "the shell: the boot, its process and its beginning"},
		{Name: "tty", Type: "string", Doc: "its terminal"},
		{Name: "seq", Type: "int", Doc: "number of the record in its shell"},
		{Name: "attestation", Type: "int", Doc: "of a hello: 3, the kernel names the shell; 2, any process of its user may have said so"},
		linkSeq, linkMAC,
		{Name: "timestamp", Type: "int", Unit: "ns", Doc: "since 1970; the point's time, for tables to sort by"},
	},
	Record: true,
}

var chainMeasurement = sdk.Measurement{
	Name: chain.Checkpoints,
	Doc:  "Checkpoints of the host's chain, one for each of its keys.",
	Fields: []sdk.FieldSchema{
		{Name: "what", Type: "string", Doc: "epoch: the links after this one have another key"},
		{Name: "epoch", Type: "int", Doc: "number of that key"},
		linkSeq, linkMAC,
	},
	Record: true,
}

var measurements = []sdk.Measurement{commandMeasurement, eventMeasurement, chainMeasurement}

// pointOf is the point of a row.
func pointOf(r chain.Row, update bool) *sdk.Point {
	p := sdk.NewPoint(r.Measurement).At(time.Unix(0, r.Time))
	for _, tag := range r.Tags {
		p.Tag(tag.Name, tag.Text())
	}
	for _, f := range r.Fields {
		switch v := f.Any().(type) {
		case string:
			p.String(f.Name, v)
		case int64:
			p.Int(f.Name, v)
		case float64:
			p.Float(f.Name, v)
		case bool:
			p.Bool(f.Name, v)
		}
	}
	if update {
		p.Update()
	}
	return p
}
