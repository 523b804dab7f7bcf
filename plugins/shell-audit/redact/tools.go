package redact

// form is where in an argument the secret is.
type form byte

const (
	all     form = iota + 1 // everywhere
	colon                   // behind the first colon: user:password
	percent                 // behind the first %
	comma                   // behind the first comma
	slash                   // between the first slash and the last @: user/password@database
	prefix                  // behind "pass:"
)

// option is one whose argument is a secret.
type option struct {
	name     string
	form     form
	attached bool // the argument may be in the same word
	separate bool // the argument may be the next word
}

// tool is a program whose arguments are known.
type tool struct {
	options []option
	// after has words behind which a secret comes, and how many arguments are between.
	after map[string]int
	// behind is that for the program's own name; 0 for none, 1 for the first argument.
	behind int
	// first is the form of the first argument, if it is a secret.
	first form
	// last says that the last argument is a secret if an option with this letter is there.
	last byte
	// stdin says that a secret is read from standard input.
	stdin form
	// runs says that arguments are another command; runsAfter that they are behind one of these words.
	runs      bool
	runsAfter []string
	// says says that arguments go to standard output.
	says bool
}

func (t *tool) secret() bool {
	return t.options != nil || t.after != nil || t.behind > 0 || t.first != 0 || t.last != 0 || t.stdin != 0
}

func both(name string, f form) option     { return option{name, f, true, true} }
func separate(name string, f form) option { return option{name, f, false, true} }
func attached(name string, f form) option { return option{name, f, true, false} }

// tools are known by the last part of their path.
var tools = makeTools()

func makeTools() map[string]*tool {
	m := map[string]*tool{}
	add := func(t tool, names ...string) {
		for _, name := range names {
			m[name] = &t
		}
	}
	add(tool{runs: true}, "sudo", "doas", "env", "time", "nohup", "nice", "ionice", "exec", "command", "builtin", "xargs",
		"watch", "timeout", "ssh", "strace", "ltrace", "then", "do", "else", "if", "while", "until", "!", "{", "busybox", "chroot",
		"setsid", "stdbuf", "parallel", "nsenter", "unshare", "ip", "su", "runuser", "systemd-run", "flock", "eval", "proxychains",
		"script", "expect", "unbuffer", "taskset", "chrt", "sg", "firejail", "tsocks", "torsocks")
	login := tool{
		options:   []option{both("-p", all)},
		runsAfter: []string{"exec", "--"},
	}
	add(tool{runsAfter: []string{"exec", "--", "run"}}, "kubectl", "crictl", "lxc", "compose", "docker-compose", "vagrant")
	add(login, "docker", "podman", "nerdctl", "buildah", "skopeo", "helm", "oc", "az", "crane", "oras")
	add(tool{says: true}, "echo", "printf", "print")
	add(tool{options: []option{attached("-p", all)}},
		"mysql", "mysqldump", "mysqlimport", "mysqlshow", "mysqlcheck", "mysqlsh", "mysqlbinlog", "mysqlslap", "mysqlpump",
		"mariadb", "mariadb-dump", "mariadb-check", "mariadb-import", "mycli", "xtrabackup", "innobackupex", "mydumper", "myloader")
	add(tool{options: []option{attached("-p", all)}, after: map[string]int{"password": 0}}, "mysqladmin", "mariadb-admin")
	add(tool{options: []option{both("-p", all)}, runs: true}, "sshpass")
	add(tool{options: []option{
		both("-u", colon), both("-U", colon), separate("--user", colon), separate("--proxy-user", colon),
		separate("--oauth2-bearer", all), separate("--tlspassword", all),
	}}, "curl")
	add(tool{options: []option{both("-a", colon), separate("--auth", colon)}}, "http", "https", "xh")
	add(tool{options: []option{both("-a", all)}, after: map[string]int{"auth": 0}}, "redis-cli", "valkey-cli")
	add(tool{options: []option{both("-p", all)}}, "mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport",
		"cqlsh", "useradd", "usermod", "rdesktop")
	add(tool{options: []option{both("-w", all)}}, "ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldappasswd", "ldapwhoami")
	add(tool{options: []option{both("-P", all)}}, "ipmitool", "mosquitto_pub", "mosquitto_sub", "sqlcmd", "bcp", "zip", "unzip")
	add(tool{options: []option{attached("-p", all)}}, "7z", "7za", "7zr", "7zz", "rar", "unrar")
	add(tool{options: []option{both("-U", percent), separate("--user", percent)}}, "smbclient", "rpcclient", "smbget")
	add(tool{options: []option{
		separate("-k", all), separate("-K", all), separate("-passin", prefix), separate("-passout", prefix),
		separate("-pass", prefix), separate("-password", prefix),
	}}, "openssl")
	add(tool{options: []option{attached("/p:", all)}}, "xfreerdp", "xfreerdp3", "wlfreerdp")
	add(tool{options: []option{both("-u", comma)}}, "lftp")
	add(tool{options: []option{both("-c", all), both("-A", all), both("-X", all)}},
		"snmpget", "snmpwalk", "snmpset", "snmpbulkwalk", "snmpgetnext", "snmptrap")
	add(tool{options: []option{separate("--user", colon)}}, "etcdctl")
	add(tool{after: map[string]int{"login": 0}}, "vault")
	add(tool{after: map[string]int{"password": 0}}, "nmcli", "iw")
	add(tool{after: map[string]int{"add_user": 1, "change_password": 1, "authenticate_user": 1}}, "rabbitmqctl")
	add(tool{behind: 2}, "wpa_passphrase")
	add(tool{behind: 1}, "mkpasswd")
	add(tool{last: 'b'}, "htpasswd")
	add(tool{first: slash}, "sqlplus", "sqlldr", "expdp", "impdp", "rman")
	add(tool{stdin: colon}, "chpasswd")
	add(tool{stdin: all}, "smbpasswd", "cryptsetup", "kinit", "vncpasswd")
	return m
}
