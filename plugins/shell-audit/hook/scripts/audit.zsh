# Sourced at the start of each interactive zsh. preexec and precmd append a record each, in one write and without a fork.
# zsh can not speak to the collector's socket: its records are known by the file that they are in.
if [[ -o interactive && ${_vedette_audit_shell-} != $$ && $ZSH_SUBSHELL == 0 ]] &&
	zmodload zsh/system zsh/datetime 2>/dev/null && autoload -Uz add-zsh-hook; then
	typeset -g _vedette_audit_shell=$$ _vedette_audit_dir=$_vedette_audit_spool _vedette_audit_privacy=$_vedette_audit_ignorespace
	typeset -g _vedette_audit_torn= _vedette_audit_reason= _vedette_audit_dropped= _vedette_audit_begun=
	typeset -gi _vedette_audit_seq=0 _vedette_audit_lost=0 _vedette_audit_hist=-1 _vedette_audit_time=0
	typeset -g _vedette_audit_start=0
	{
		typeset -g _vedette_audit_start=${${(s: :)${"$(</proc/$$/stat)"##*\) }}[20]}
	} 2>/dev/null

	# The time in microseconds, later than every one before.
	_vedette_audit_now() {
		emulate -L zsh
		local -i us=$((epochtime[1] * 1000000 + epochtime[2] / 1000))
		_vedette_audit_time=$((us > _vedette_audit_time ? us : _vedette_audit_time + 1))
	}

	_vedette_audit_append() {
		emulate -L zsh
		setopt no_multibyte
		local fd file=$_vedette_audit_dir/u/$EUID.log
		if ! sysopen -w -a -o cloexec,nofollow,nonblock -u fd $file 2>/dev/null; then
			_vedette_audit_reason=open
			[[ ! -e $file ]] || return 1
			if [[ -z $_vedette_audit_dropped ]] || ! sysopen -w -a -o cloexec,nofollow,nonblock -u fd $_vedette_audit_dropped 2>/dev/null; then
				printf -v file '%s/new/%d.%d.%04x%04x%04x%04x' $_vedette_audit_dir $EUID $$ $RANDOM $RANDOM $RANDOM $RANDOM
				if ! sysopen -w -a -m 600 -o cloexec,nofollow,creat,excl -u fd $file 2>/dev/null; then
					return 1
				fi
				_vedette_audit_dropped=$file
			fi
		fi
		local done=1 closing=${_vedette_audit_torn:+$'\0'}
		if syswrite -o $fd -- $closing$1 2>/dev/null; then
			_vedette_audit_torn=
		else
			_vedette_audit_reason=write _vedette_audit_torn=1 done=
		fi
		exec {fd}>&-
		[[ -n $done ]]
	}

	# KIND HIST T0 T1 RC CWD CMD
	_vedette_audit_record() {
		emulate -L zsh
		setopt no_multibyte
		local cwd=${6[1,1024]} cmd=${7[1,16384]} claim who="raw zsh $$ $_vedette_audit_start"
		if ((_vedette_audit_lost > 0)); then
			claim="count=$_vedette_audit_lost"$'\x1f'"reason=$_vedette_audit_reason"
			if _vedette_audit_append "1 X $who $((_vedette_audit_seq + 1)) -1 $_vedette_audit_time 0 -1 0 $#claim $#claim"$'\n'"$claim"$'\0'; then
				((_vedette_audit_seq += 1, _vedette_audit_lost = 0, 1))
			fi
		fi
		((_vedette_audit_seq += 1))
		_vedette_audit_append "1 $1 $who $_vedette_audit_seq $2 $3 $4 $5 $#cwd $#cmd $#7"$'\n'"$cwd$cmd"$'\0' || ((_vedette_audit_lost += 1))
		return 0
	}

	_vedette_audit_preexec() {
		# zsh gives no text in the first argument when the history is off.
		local text=${1:-$3}
		if [[ -n $_vedette_audit_privacy && $text == ' '* && -o histignorespace ]]; then
			return
		fi
		emulate -L zsh
		trap - DEBUG # for this function alone
		[[ -z $_vedette_audit_begun ]] || _vedette_audit_record E $_vedette_audit_hist $_vedette_audit_begun 0 -1 '' ''
		_vedette_audit_now
		_vedette_audit_begun=$_vedette_audit_time _vedette_audit_hist=$HISTCMD
		_vedette_audit_record S $_vedette_audit_hist $_vedette_audit_begun 0 -1 "$PWD" "$text"
	}

	_vedette_audit_precmd() {
		local rc=$?
		emulate -L zsh
		trap - DEBUG
		[[ -n $_vedette_audit_begun ]] || return
		_vedette_audit_now
		_vedette_audit_record E $_vedette_audit_hist $_vedette_audit_begun $_vedette_audit_time $rc '' ''
		_vedette_audit_begun=
	}

	add-zsh-hook preexec _vedette_audit_preexec
	add-zsh-hook precmd _vedette_audit_precmd
	_vedette_audit_now
	_vedette_audit_record H -1 $_vedette_audit_time 0 -1 "$PWD" "version=$ZSH_VERSION"$'\x1f'"tty=${TTY-}"$'\x1f'"ppid=$PPID"$'\x1f'"shlvl=${SHLVL-}"$'\x1f'"ssh=${SSH_CONNECTION-}"$'\x1f'"user=${USER-}"$'\x1f'"mode=plain"
	if [[ -n $_vedette_audit_notice && -z ${VEDETTE_AUDIT_NOTICE-} && -t 0 && -t 2 ]]; then
		print -r -u2 -- "$_vedette_audit_notice"
		export VEDETTE_AUDIT_NOTICE=shown
	fi
fi
unset _vedette_audit_spool _vedette_audit_ignorespace _vedette_audit_notice
