"""A DNS server on loopback that has a few TXT records."""

import socket
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class NameServer:
    """Answers UDP questions for `records`; any other name does not exist."""

    def __init__(self) -> None:
        self.records: dict[str, list[str]] = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                asked, sender = self.socket.recvfrom(4096)
            except OSError:
                return
            self.socket.sendto(self._answer(dns.message.from_wire(asked)).to_wire(), sender)

    def _answer(self, asked: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        question = asked.question[0]
        texts = self.records.get(question.name.to_text(omit_final_dot=True))
        if texts is None or question.rdtype != dns.rdatatype.TXT:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer
        quoted = [f'"{text}"' for text in texts]
        answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", *quoted))
        return answer

    def stop(self) -> None:
        self.socket.close()
