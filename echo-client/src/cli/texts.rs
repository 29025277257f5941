//! Texts of `--help` that are of no single flag.

/// Below the flags of the program.
pub(super) const EXAMPLES: &str = "\
Examples:
  echo-client                                talk to 127.0.0.1:8080 at a prompt
  echo-client --time [::1]:9000              show round-trip times
  printf 'a\\nb\\n' | echo-client :9000        send lines, print the replies
  echo-client --protocol raw 7 < in > out    send bytes unchanged
  echo-client --tls --cacert ca.pem :8443    connect over TLS
  echo-client --protocol chat :9000          a chat room: /nick NAME comes first
  echo-client unix:/run/echo/echo.sock       a unix-domain socket
  echo-client ping -c 10 :9000               measure round-trip times
  echo-client scan localhost --ports 1-1024  list open ports

At a prompt, Ctrl-D exits. In a pipe every line is a request (with --protocol
raw, bytes are sent unchanged); after the last one the client half-closes the
connection, and exits once everything is answered. Chat lines have no replies:
lines of others are printed until the server closes the connection, or sends
nothing for --timeout after the half-close.

A server whose name is that of a subcommand is written with its port, like
man:8080.

Exit codes:
  0    every request got its own reply, and the connection was not cut off
  1    no connection, the connection broke, or a reply was missing, wrong, an
       error or unsolicited
  2    usage
  130  interrupted (143: terminated, 129: hangup)

Environment:
  NO_COLOR, CLICOLOR_FORCE, TERM  whether there are colours (see --color)
  XDG_STATE_HOME  where the history is kept [default: ~/.local/state]

Files:
  $XDG_STATE_HOME/echo-client/history  lines typed at the prompt, at most 1000
";

/// Below those of `ping`.
pub(super) const PING_HELP: &str = "\
Examples:
  echo-client ping                             127.0.0.1:8080, once a second
  echo-client ping -c 400 -i 10ms [::1]:9000   enough for a p99
  echo-client ping -i 0 -c 10k -q :9000        back to back, summary only
  echo-client ping -p resp :6379               a Redis server
  echo-client ping --tls --cacert ca.pem 8443  over TLS, its handshake apart

Ctrl-C stops and prints the summary. A request without a reply within
--timeout counts as lost, even if its reply arrives later. A broken connection
is reconnected; requests due meanwhile are lost. All replies are timed; errors
and wrong replies are marked.

Exit codes:
  0  at least one echo received
  1  no echo received, or the first connection failed
  2  usage
";

/// Of the server, as `--help` describes it.
pub(super) const ADDRESS: &str = "\
Server address: HOST:PORT, [IPv6]:PORT, :PORT, PORT, a unix-domain socket (unix:/PATH, or unix:@NAME, \
which is abstract), or a URL (http, https, redis, rediss, postgres)";

/// Below those of `scan`.
pub(super) const SCAN_HELP: &str = "\
Examples:
  echo-client scan localhost                          well-known ports
  echo-client scan 10.0.0.7 --ports 22,80,8000-9000   some others

Open ports are printed one per line, the summary on stderr.

Exit codes:
  0    every port was tried, open or not
  1    the host was not found, or attempts failed on this machine
  2    usage
  130  interrupted (143: terminated, 129: hangup)
";
