use super::*;
use crate::config::Config;
use std::time::Duration;

fn config(typed: &[&str]) -> Result<Config, InvalidArgs> {
    let typed = std::iter::once("echo-server").chain(typed.iter().copied());
    Config::try_from(&ServerArgs::try_parse_from(typed).unwrap())
}

#[test]
fn what_is_not_typed_is_the_library_s_default() {
    assert_eq!(config(&[]).unwrap(), Config::default());
}

/// It has no flag.
#[test]
fn a_tls_handshake_has_ten_seconds() {
    assert_eq!(config(&[]).unwrap().handshake_timeout, Duration::from_secs(10));
}

#[test]
fn the_message_limit_follows_the_protocol() {
    assert_eq!(config(&["-p", "line"]).unwrap().max_message, 64 << 10);
    assert_eq!(config(&["-p", "frame"]).unwrap().max_message, 1 << 20);
    assert_eq!(config(&["-p", "frame", "--max-message", "1K"]).unwrap().max_message, 1024);
}

#[test]
fn the_queue_of_a_chat_can_be_typed_for_a_chat() {
    assert_eq!(config(&["-p", "chat"]).unwrap().chat_queue, 1 << 20);
    assert_eq!(config(&["-p", "chat", "--chat-queue", "1K"]).unwrap().chat_queue, 1024);
}

#[test]
fn an_idle_timeout_of_zero_is_none() {
    assert_eq!(config(&["--idle-timeout", "0"]).unwrap().idle_timeout, None);
    let config = config(&["--idle-timeout", "1m30s"]).unwrap();
    assert_eq!(config.idle_timeout, Some(Duration::from_secs(90)));
}

#[test]
fn what_can_t_be_meant_is_refused_and_names_the_flag() {
    for (typed, flag) in [
        (["--read-buffer", "0"], "--read-buffer"),
        (["--read-buffer", "1025M"], "--read-buffer"),
        (["--max-message", "0"], "--max-message"),
        (["--chat-queue=0", "-pchat"], "--chat-queue"),
        (["--chat-queue", "1K"], "--protocol chat"),
        (["--chat-room-queue", "1M"], "--protocol chat"),
        (["--chat-room-queue=1K", "-pchat"], "--chat-room-queue"),
        (["--write-timeout", "0"], "--write-timeout"),
        (["--max-buffered", "63K"], "--max-buffered 63KiB"),
        (["--pin", "4095"], "--pin"),
        (["--busy-poll", "--model=tokio"], "--busy-poll"),
    ] {
        let error = config(&typed).unwrap_err().to_string();
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
fn what_only_tcp_has_is_refused_with_a_unix_socket_if_it_was_typed() {
    assert!(
        config(&[
            "unix:/run/echo.sock",
            "--model=epoll",
            "--accept=shared",
            "--send-buffer=1M"
        ])
        .is_ok()
    );
    for (typed, told) in [
        ("--nodelay=on", "--nodelay is an option of TCP"),
        ("--congestion=cubic", "--congestion is"),
        ("--quickack=off", "--quickack is"),
        ("--notsent-lowat=1K", "--notsent-lowat is"),
        ("--user-timeout=1s", "--user-timeout is"),
        ("--tos=1", "--tos is"),
        ("--fastopen=on", "--fastopen is"),
        ("--reuse-port", "--reuse-port needs a listener per worker"),
        ("--accept=reuseport", "--accept reuseport needs a listener per worker"),
    ] {
        let error = config(&["unix:@echo", typed]).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}
