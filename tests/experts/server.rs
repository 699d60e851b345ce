//! A small server on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// The lines of a request.
pub struct Asked(pub Vec<String>);

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.0.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The first byte asked for.
    pub fn from(&self) -> Option<usize> {
        self.header("range").map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap())
    }
}

pub type Answer = Box<dyn FnOnce(&Asked, &mut TcpStream) + Send>;

/// What is sent at once; the connection is closed after it.
pub fn says(bytes: impl FnOnce(&Asked) -> Vec<u8> + Send + 'static) -> Answer {
    // Who stops reading early is right to.
    Box::new(|asked, stream| _ = stream.write_all(&bytes(asked)))
}

/// What is sent before silence, until the other end is closed.
pub fn stalls(bytes: Vec<u8>) -> Answer {
    Box::new(move |_, stream| _ = stream.write_all(&bytes).and_then(|()| stream.read(&mut [0])))
}

/// What is sent again and again.
pub fn repeats(head: &'static str, bytes: &'static [u8], pause: Duration) -> Answer {
    Box::new(move |_, stream| {
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() {
            thread::sleep(pause);
            sent = stream.write_all(bytes);
        }
    })
}

/// A server that answers one request after the other and then ends; and what it was asked.
pub fn server(answers: Vec<Answer>) -> (String, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x/a.tar.gz", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let asked = Asked(lines.take_while(|line| !line.is_empty()).collect());
            answer(&asked, &mut stream);
            let _ = sender.send(asked);
        }
    });
    (url, receiver)
}

pub fn with_head(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat()
}
