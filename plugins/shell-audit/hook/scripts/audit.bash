# Sourced at the start of each interactive bash. It loads the builtin that records commands, after a trial in a subshell, so that
# an object which does not fit this bash ends the subshell and nothing else. Where it can not be loaded audit-plain.bash does
# what builtins alone can do. Nothing here is exported, so that a shell started from this one does the same for itself.
if [[ $- == *i* && ${_vedette_audit_shell-} != "$$" && $BASH_SUBSHELL == 0 ]]; then
	_vedette_audit_shell=$$
	if ! { {
		((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 404)) &&
			(ulimit -c 0; builtin enable -f "$_vedette_audit_library" vedette_audit && vedette_audit check) &&
			builtin enable -f "$_vedette_audit_library" vedette_audit &&
			vedette_audit arm "$_vedette_audit_spool" "$_vedette_audit_socket" "$_vedette_audit_ignorespace"
	} >/dev/null 2>&1; }; then
		builtin . "${_vedette_audit_library%/*}/audit-plain.bash"
	fi
	if [[ $_vedette_audit_notice && ! ${VEDETTE_AUDIT_NOTICE-} && -t 0 && -t 2 ]]; then
		builtin printf '%s\n' "$_vedette_audit_notice" >&2
		export VEDETTE_AUDIT_NOTICE=shown
	fi
fi
[[ ${_vedette_audit_plain-} ]] || unset -v _vedette_audit_spool
unset -v _vedette_audit_library _vedette_audit_socket _vedette_audit_ignorespace _vedette_audit_notice
