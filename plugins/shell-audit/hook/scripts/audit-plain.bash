# The audit for a bash that can not load the builtin. It records a command when it has ended, as its history entry says; what
# the history does not keep is recorded without a text. PS0 notes the start, PROMPT_COMMAND the end.
#
# Before bash 5.1 PROMPT_COMMAND is one string. To be first in it would change PIPESTATUS for the rest, so the hook is the last, where
# the exit status is no longer known. Nothing forks but the making of a file in the drop box, once for a shell.
_vedette_audit_plain=1
_vedette_audit_privacy=$_vedette_audit_ignorespace
_vedette_audit_seq=0 _vedette_audit_lost=0 _vedette_audit_torn= _vedette_audit_began= _vedette_audit_dropped=
_vedette_audit_last=
read -r _vedette_audit_start </proc/$$/stat
_vedette_audit_start=${_vedette_audit_start##*) }
read -r -a _vedette_audit_start <<<"$_vedette_audit_start"
_vedette_audit_start=${_vedette_audit_start[19]}

# The text of the newest history entry goes through a file without a name.
_vedette_audit_text=
if [[ -d /dev/shm && -w /dev/shm ]]; then
	_vedette_audit_text=/dev/shm/vedette-audit.$EUID.$$.$RANDOM$RANDOM
	if (umask 077; set -C; : >"$_vedette_audit_text") 2>/dev/null && exec {_vedette_audit_fd}<>"$_vedette_audit_text"; then
		command rm -f -- "$_vedette_audit_text"
		_vedette_audit_text=/proc/self/fd/$_vedette_audit_fd
	else
		_vedette_audit_text=
	fi
fi

_vedette_audit_now() {
	if [[ ${EPOCHREALTIME-} ]]; then
		_vedette_audit_time=${EPOCHREALTIME//[!0-9]/}
	else
		printf -v _vedette_audit_time '%(%s)T000000' -1
	fi
}

# A printf of less than 4 KiB is one write. Longer ones go to a file that no other shell appends to.
_vedette_audit_append() {
	local record=$1 file=$_vedette_audit_spool/u/$EUID.log
	if ((${#record} > 4000)) || [[ ! -f $file ]]; then
		file=$_vedette_audit_dropped
		if [[ ! -f $file ]]; then
			printf -v file '%s/new/%d.%d.%04x%04x%04x%04x' "$_vedette_audit_spool" "$EUID" "$$" "$RANDOM" "$RANDOM" "$RANDOM" "$RANDOM"
			(umask 077; set -C; : >"$file") 2>/dev/null || return 1
			_vedette_audit_dropped=$file
		fi
	fi
	if { printf "${_vedette_audit_torn:+\\0}%s\\0" "$record" >>"$file"; } 2>/dev/null; then
		_vedette_audit_torn=
		return 0
	fi
	_vedette_audit_torn=1
	return 1
}

# KIND HIST T0 T1 RC CWD CMD
_vedette_audit_record() {
	local LC_ALL=C head claim
	local cwd=${6:0:1024} cmd=${7:0:16384}
	if ((_vedette_audit_lost > 0)); then
		claim=count=$_vedette_audit_lost$'\x1freason=unwritable'
		printf -v head '1 X raw bash %d %d %d -1 %d 0 -1 0 %d %d\n' "$$" "$_vedette_audit_start" "$((_vedette_audit_seq + 1))" "$4" "${#claim}" "${#claim}"
		if _vedette_audit_append "$head$claim"; then
			((_vedette_audit_seq += 1, _vedette_audit_lost = 0, 1))
		fi
	fi
	((_vedette_audit_seq += 1))
	printf -v head '1 %s raw bash %d %d %d %d %d %d %d %d %d %d\n' "$1" "$$" "$_vedette_audit_start" "$_vedette_audit_seq" "$2" "$3" "$4" "$5" "${#cwd}" "${#cmd}" "${#7}"
	_vedette_audit_append "$head$cwd$cmd" || ((_vedette_audit_lost += 1))
}

# The newest history entry goes to _vedette_audit_number and _vedette_audit_line.
_vedette_audit_newest() {
	local entry=
	_vedette_audit_number= _vedette_audit_line=
	[[ $_vedette_audit_text ]] || return 0
	{ HISTTIMEFORMAT='' builtin history 1 >|"$_vedette_audit_text" && IFS= read -r -d '' entry <"$_vedette_audit_text"; } 2>/dev/null
	entry=${entry%$'\n'}
	entry=${entry#"${entry%%[! ]*}"}
	_vedette_audit_number=${entry%%[!0-9]*}
	_vedette_audit_line=${entry:${#_vedette_audit_number}+2}
}

_vedette_audit_prompt() {
	local _vedette_audit_status=$? IFS=$' \t\n' _vedette_audit_number _vedette_audit_line _vedette_audit_time hist=-1
	((${#PROMPT_COMMAND[@]} > 1 || ${_vedette_audit_alone:-0})) || _vedette_audit_status=-1
	_vedette_audit_newest
	if [[ $_vedette_audit_began ]]; then
		if [[ $_vedette_audit_number && $_vedette_audit_number != "$_vedette_audit_last" ]]; then
			hist=$_vedette_audit_number
		else
			_vedette_audit_line=
		fi
		_vedette_audit_now
		if [[ ! $_vedette_audit_privacy || $hist != -1 ]]; then
			((_vedette_audit_began > 1)) || _vedette_audit_began=0
			_vedette_audit_record C "$hist" "$_vedette_audit_began" "$_vedette_audit_time" "$_vedette_audit_status" "$PWD" "$_vedette_audit_line"
		fi
	fi
	_vedette_audit_began= _vedette_audit_last=$_vedette_audit_number
	((_vedette_audit_status >= 0)) || _vedette_audit_status=0
	return "$_vedette_audit_status"
}

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
	PROMPT_COMMAND+=(_vedette_audit_prompt)
	_vedette_audit_alone=1
elif [[ ${PROMPT_COMMAND-} ]]; then
	PROMPT_COMMAND+=$'\n_vedette_audit_prompt'
	_vedette_audit_alone=0
else
	PROMPT_COMMAND=_vedette_audit_prompt
	_vedette_audit_alone=1
fi
if [[ ${EPOCHREALTIME-} ]]; then
	PS0='${PS0:$((_vedette_audit_began=${EPOCHREALTIME//[!0-9]/},0)):0}'${PS0-}
else
	PS0='${PS0:$((_vedette_audit_began=1,0)):0}'${PS0-}
fi
_vedette_audit_now
_vedette_audit_record H -1 "$_vedette_audit_time" 0 -1 "$PWD" "version=$BASH_VERSION"$'\x1f'"tty="$'\x1f'"ppid=$PPID"$'\x1f'"shlvl=${SHLVL-}"$'\x1f'"ssh=${SSH_CONNECTION-}"$'\x1f'"user=${USER-}"$'\x1fmode=plain'
