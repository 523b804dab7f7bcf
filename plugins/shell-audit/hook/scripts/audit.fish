# Read at the start of each fish. In interactive ones fish_preexec and fish_postexec append a record each.
#
# fish can not speak to the collector's socket, and writes what is longer than some hundred bytes in pieces: that goes to a file of
# this shell's in the drop box, where no other writer comes between. It has no clock either. The time is that since boot, of the
# kernel, in steps of 10 ms, added to the time of boot as one call of date at the start tells it.
if status is-interactive; and test "$_vedette_audit_shell" != $fish_pid
    set -g _vedette_audit_shell $fish_pid
    set -g _vedette_audit_dir $_vedette_audit_spool
    set -g _vedette_audit_privacy $_vedette_audit_ignorespace
    set -g _vedette_audit_seq 0
    set -g _vedette_audit_lost 0
    set -g _vedette_audit_torn ''
    set -g _vedette_audit_dropped ''
    set -g _vedette_audit_begun ''
    set -g _vedette_audit_time 0
    set -g _vedette_audit_uid (id -u)
    set -l stat (string replace -r '.*\) ' '' </proc/$fish_pid/stat | string split ' ')
    set -g _vedette_audit_start $stat[20]
    set -g _vedette_audit_boot 0

    function _vedette_audit_uptime
        set -l line
        read line </proc/uptime
        string match -r '^[0-9]+\.[0-9]{2}' -- $line | string replace . ''
    end

    set _vedette_audit_boot (math (date +%s%6N) - (_vedette_audit_uptime)0000)

    # The time in microseconds, later than every one before.
    function _vedette_audit_now
        set -l us (math $_vedette_audit_boot + (_vedette_audit_uptime)0000)
        test $us -gt $_vedette_audit_time; or set us (math $_vedette_audit_time + 1)
        set -g _vedette_audit_time $us
    end

    function _vedette_audit_append
        set -l file $_vedette_audit_dir/u/$_vedette_audit_uid.log
        if test (string length -- $argv[1]) -gt 480; or not test -f $file
            set file $_vedette_audit_dropped
            if test -z "$file"; or not test -f $file
                set -l random (random 0 4294967295) (random 0 4294967295)
                set file (printf '%s/new/%d.%d.%08x%08x' $_vedette_audit_dir $_vedette_audit_uid $fish_pid $random)
                test -w $_vedette_audit_dir/new; or return 1
                set -l mask (umask)
                umask 077
                echo -n >?$file
                set -l made $status
                umask $mask
                test $made -eq 0; or return 1
                set -g _vedette_audit_dropped $file
            end
        end
        test -w $file; or return 1
        # fish tells of a full disk on the terminal. A failure is told that once: what follows it is tried by another process.
        if test -z "$_vedette_audit_torn"
            printf '%s\n%s\0' $argv >>$file; and return 0
        else
            printf '\0%s\n%s\0' $argv | command tee -a $file >/dev/null 2>/dev/null
            if test $pipestatus[2] -eq 0
                set -g _vedette_audit_torn ''
                return 0
            end
        end
        set -g _vedette_audit_torn 1
        return 1
    end

    # KIND HIST T0 T1 RC CWD CMD
    function _vedette_audit_record
        # What is percent-encoded has a byte a character. A cut may go through one percent sign's two digits.
        set -l cwd (string escape --style=url -- $argv[6] | string sub -l 1024 | string replace -r '%.?$' '')
        set -l all (string escape --style=url -- $argv[7] | string collect)
        set -l cmd (string sub -l 16384 -- "$all" | string replace -r '%.?$' '')
        set -l who url fish $fish_pid $_vedette_audit_start
        if test $_vedette_audit_lost -gt 0
            set -l claim "count=$_vedette_audit_lost%1Freason=unwritable"
            set -l n (string length -- $claim)
            if _vedette_audit_append "1 X $who "(math $_vedette_audit_seq + 1)" -1 $_vedette_audit_time 0 -1 0 $n $n" $claim
                set -g _vedette_audit_seq (math $_vedette_audit_seq + 1)
                set -g _vedette_audit_lost 0
            end
        end
        set -g _vedette_audit_seq (math $_vedette_audit_seq + 1)
        _vedette_audit_append "1 $argv[1] $who $_vedette_audit_seq $argv[2..5] "(string length -- "$cwd")' '(string length -- "$cmd")' '(string length -- "$all") "$cwd$cmd"
        or set -g _vedette_audit_lost (math $_vedette_audit_lost + 1)
    end

    function _vedette_audit_preexec --on-event fish_preexec
        if test -n "$_vedette_audit_privacy"; and string match -q ' *' -- $argv[1]
            return
        end
        _vedette_audit_now
        set -g _vedette_audit_begun $_vedette_audit_time
        _vedette_audit_record S -1 $_vedette_audit_begun 0 -1 "$PWD" "$argv[1]"
    end

    function _vedette_audit_postexec --on-event fish_postexec
        set -l rc $status
        test -n "$_vedette_audit_begun"; or return
        set -l ended (math $_vedette_audit_begun + $CMD_DURATION x 1000)
        _vedette_audit_record E -1 $_vedette_audit_begun $ended $rc '' ''
        set -g _vedette_audit_begun ''
    end

    _vedette_audit_now
    _vedette_audit_record H -1 $_vedette_audit_time 0 -1 "$PWD" (string join \x1f version=$FISH_VERSION tty= ppid=$stat[2] shlvl=$SHLVL ssh="$SSH_CONNECTION" user="$USER" mode=plain)
    if test -n "$_vedette_audit_notice"; and not set -q VEDETTE_AUDIT_NOTICE; and isatty stdin; and isatty stderr
        echo $_vedette_audit_notice >&2
        set -gx VEDETTE_AUDIT_NOTICE shown
    end
end
set -e _vedette_audit_spool
set -e _vedette_audit_ignorespace
set -e _vedette_audit_notice
