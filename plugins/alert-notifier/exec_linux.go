package main

import "syscall"

// tie has a program end when the thread that started it does.
func tie(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
