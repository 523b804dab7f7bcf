package kernel

import "github.com/cilium/ebpf/asm"

// The records in the ring, in the order of the machine's bytes. An exec's has the path, with its NUL, and the arguments behind it.
const (
	execKind = 1
	exitKind = 2

	atKind  = 0 // u32
	atPID   = 4 // u32
	atNow   = 8 // u64: ns since boot
	atBirth = 16

	atCode     = 24 // u32: as wait has it
	exitLength = 32

	atParent   = 24 // u32, and so are the next ones
	atUID      = 28
	atEUID     = 32
	atLogin    = 36
	atSession  = 40
	atPathLen  = 44
	atArgsLen  = 48
	atUnread   = 52 // not 0 if the arguments could not be read
	atSize     = 56 // u64: of all arguments
	atTTY      = 64
	ttyLength  = 32
	atComm     = 96
	commLength = 16
	atGroup    = 112 // u32, and as much to fill it up
	execLength = 120

	maxPath     = 512
	scratchSize = execLength + maxPath + MaxArgs
)

// The counters, each of 64 bits.
const (
	countSeen    = 0  // events in scope
	countDropped = 8  // for which the ring had no room
	countUnknown = 16 // processes whose end will not be told, because too many run
	countersSize = 24
)

// signalGroupExit is the flag in signal_struct.flags of a process that ends as a whole: then it has the status.
const signalGroupExit = 4

// groupType is the place of the process group among signal_struct.pids.
const groupType = 2

// noWakeup tells the kernel to wake nobody for a record: a wake-up costs ten times what the rest does.
const noWakeup = 1

// handles are the descriptors of the maps.
type handles struct{ ring, counters, scratch, alive int }

// assembler writes instructions.
type assembler struct{ asm.Instructions }

func (a *assembler) add(ins ...asm.Instruction) { a.Instructions = append(a.Instructions, ins...) }

// read copies size bytes from the kernel at from+offset to to+at. What can not be read becomes zeros.
func (a *assembler) read(to asm.Register, at int32, size int32, from asm.Register, offset int32) {
	a.add(
		asm.Mov.Reg(asm.R1, to), asm.Add.Imm(asm.R1, at),
		asm.Mov.Imm(asm.R2, size),
		asm.Mov.Reg(asm.R3, from), asm.Add.Imm(asm.R3, offset),
		asm.FnProbeReadKernel.Call(),
	)
}

// follow loads the pointer at from+offset into to, by way of the eight bytes on the top of the stack.
func (a *assembler) follow(to, from asm.Register, offset int32) {
	a.read(asm.RFP, -8, 8, from, offset)
	a.add(asm.LoadMem(to, asm.RFP, -8, asm.DWord))
}

// count adds one to a counter.
func (a *assembler) count(h handles, counter uint32) {
	a.add(
		asm.LoadMapValue(asm.R1, h.counters, counter),
		asm.Mov.Imm(asm.R2, 1),
		asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
	)
}

// send puts the record at R2, of R3 bytes, into the ring, and ends.
func (a *assembler) send(h handles) {
	a.add(
		asm.LoadMapPtr(asm.R1, h.ring),
		asm.Mov.Imm(asm.R4, noWakeup),
		asm.FnRingbufOutput.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
	)
	a.count(h, countDropped)
	a.add(
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	)
}

// execProgram is run when a process has become another program: with the task, its number before, and the linux_binprm.
func execProgram(l layout, h handles, all bool) asm.Instructions {
	// R6 is the task, R7 the scratch, R8 the length of the path, R9 that of the arguments.
	const key, bprm, tty, argStart = -12, -24, -32, -40
	var a assembler
	a.add(
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord),
		asm.LoadMem(asm.R2, asm.R1, 16, asm.DWord),
		asm.StoreMem(asm.RFP, bprm, asm.R2, asm.DWord),
	)
	a.follow(asm.R8, asm.R6, l.signal)
	a.read(asm.RFP, tty, 8, asm.R8, l.tty)
	if !all {
		a.add(asm.LoadMem(asm.R1, asm.RFP, tty, asm.DWord), asm.JNE.Imm(asm.R1, 0, "scope"))
		if l.loginUID >= 0 {
			a.read(asm.RFP, -8, 4, asm.R6, l.loginUID)
			a.add(asm.LoadMem(asm.R1, asm.RFP, -8, asm.Word), asm.JNE.Imm32(asm.R1, -1, "scope"))
		}
		a.add(asm.Ja.Label("out"))
	}
	a.add(asm.Mov.Imm(asm.R1, 0).WithSymbol("scope"))
	a.count(h, countSeen)
	a.add(
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, key, asm.R1, asm.Word),
		asm.LoadMapPtr(asm.R1, h.scratch),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"), // never, but the verifier can not know
		asm.Mov.Reg(asm.R7, asm.R0),

		asm.Mov.Imm(asm.R1, execKind), asm.StoreMem(asm.R7, atKind, asm.R1, asm.Word),
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.StoreMem(asm.R7, atPID, asm.R0, asm.Word), asm.StoreMem(asm.RFP, key, asm.R0, asm.Word),
		asm.FnKtimeGetBootNs.Call(),
		asm.StoreMem(asm.R7, atNow, asm.R0, asm.DWord),
	)
	a.read(asm.R7, atBirth, 8, asm.R6, l.birth)
	a.follow(asm.R8, asm.R6, l.signal)
	a.follow(asm.R8, asm.R8, l.pids+8*groupType)
	a.read(asm.R7, atGroup, 4, asm.R8, l.number)
	a.follow(asm.R8, asm.R6, l.parent)
	a.read(asm.R7, atParent, 4, asm.R8, l.tgid)
	a.follow(asm.R8, asm.R6, l.cred)
	a.read(asm.R7, atUID, 4, asm.R8, l.uid)
	a.read(asm.R7, atEUID, 4, asm.R8, l.euid)
	for _, f := range []struct {
		at     int16
		offset int32
	}{{atLogin, l.loginUID}, {atSession, l.session}} {
		if f.offset >= 0 {
			a.read(asm.R7, int32(f.at), 4, asm.R6, f.offset)
		} else {
			a.add(asm.Mov.Imm(asm.R1, -1), asm.StoreMem(asm.R7, f.at, asm.R1, asm.Word))
		}
	}
	a.add(asm.LoadMem(asm.R8, asm.RFP, tty, asm.DWord))
	a.read(asm.R7, atTTY, ttyLength, asm.R8, l.ttyName)
	a.read(asm.R7, atComm, commLength, asm.R6, l.comm)

	a.follow(asm.R8, asm.R6, l.mm)
	a.read(asm.RFP, argStart, 8, asm.R8, l.argStart)
	a.follow(asm.R9, asm.R8, l.argEnd)
	a.add(
		asm.LoadMem(asm.R1, asm.RFP, argStart, asm.DWord),
		asm.Sub.Reg(asm.R9, asm.R1),
		asm.StoreMem(asm.R7, atSize, asm.R9, asm.DWord),
		asm.JLE.Imm(asm.R9, MaxArgs, "path"),
		asm.Mov.Imm(asm.R9, MaxArgs),
		asm.LoadMem(asm.R8, asm.RFP, bprm, asm.DWord).WithSymbol("path"),
	)
	a.follow(asm.R3, asm.R8, l.filename)
	a.add(
		asm.Mov.Reg(asm.R1, asm.R7), asm.Add.Imm(asm.R1, execLength),
		asm.Mov.Imm(asm.R2, maxPath),
		asm.FnProbeReadKernelStr.Call(),
		asm.Mov.Reg(asm.R8, asm.R0),
		asm.JLE.Imm(asm.R8, maxPath, "args"), // an error is a large number here
		asm.Mov.Imm(asm.R8, 0),

		asm.Mov.Reg(asm.R1, asm.R7).WithSymbol("args"), asm.Add.Imm(asm.R1, execLength), asm.Add.Reg(asm.R1, asm.R8),
		asm.Mov.Reg(asm.R2, asm.R9),
		asm.LoadMem(asm.R3, asm.RFP, argStart, asm.DWord),
		asm.FnProbeReadUser.Call(),
		asm.StoreMem(asm.R7, atUnread, asm.R0, asm.Word),
		asm.JEq.Imm(asm.R0, 0, "have"),
		asm.Mov.Imm(asm.R9, 0),
		asm.StoreMem(asm.R7, atPathLen, asm.R8, asm.Word).WithSymbol("have"),
		asm.StoreMem(asm.R7, atArgsLen, asm.R9, asm.Word),

		// From now on its end is of interest.
		asm.LoadMapPtr(asm.R1, h.alive),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, key),
		asm.Mov.Reg(asm.R3, asm.R7), asm.Add.Imm(asm.R3, atBirth),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "send"),
	)
	a.count(h, countUnknown)
	a.add(
		asm.Mov.Reg(asm.R2, asm.R7).WithSymbol("send"),
		asm.Mov.Imm(asm.R3, execLength), asm.Add.Reg(asm.R3, asm.R8), asm.Add.Reg(asm.R3, asm.R9),
	)
	a.send(h)
	return a.Instructions
}

// exitProgram is run when a thread ends, with its task. Only the last one of a process counts. A process that ends loses its
// terminal before, so whether it is in scope was noted when it began.
func exitProgram(l layout, h handles) asm.Instructions {
	const key, record = -12, -16 - exitLength
	var a assembler
	a.add(asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord))
	a.follow(asm.R8, asm.R6, l.signal)
	a.read(asm.RFP, -8, 4, asm.R8, l.live)
	a.add(
		asm.LoadMem(asm.R1, asm.RFP, -8, asm.Word),
		asm.JNE.Imm(asm.R1, 0, "out"),
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.StoreMem(asm.RFP, key, asm.R0, asm.Word), asm.StoreMem(asm.RFP, record+atPID, asm.R0, asm.Word),
		asm.LoadMapPtr(asm.R1, h.alive),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, key),
		// Of two threads that end at once both may be the last one, but one alone can delete it.
		asm.FnMapDeleteElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "out"),
	)
	a.count(h, countSeen)
	a.add(
		asm.Mov.Imm(asm.R1, exitKind), asm.StoreMem(asm.RFP, record+atKind, asm.R1, asm.Word),
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, record+atCode, asm.R1, asm.DWord), // and what fills it up
		asm.FnKtimeGetBootNs.Call(),
		asm.StoreMem(asm.RFP, record+atNow, asm.R0, asm.DWord),
	)
	a.follow(asm.R9, asm.R6, l.leader)
	a.read(asm.RFP, record+atBirth, 8, asm.R9, l.birth)
	a.read(asm.RFP, record+atCode, 4, asm.R9, l.exitCode)
	a.read(asm.RFP, -8, 4, asm.R8, l.flags)
	a.add(
		asm.LoadMem(asm.R1, asm.RFP, -8, asm.Word),
		asm.And.Imm(asm.R1, signalGroupExit),
		asm.JEq.Imm(asm.R1, 0, "send"),
	)
	a.read(asm.RFP, record+atCode, 4, asm.R8, l.groupCode)
	a.add(
		asm.Mov.Reg(asm.R2, asm.RFP).WithSymbol("send"), asm.Add.Imm(asm.R2, record),
		asm.Mov.Imm(asm.R3, exitLength),
	)
	a.send(h)
	return a.Instructions
}
