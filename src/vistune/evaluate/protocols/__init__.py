"""Protocols: in which words, by which way of answering and with which decoding a benchmark is put to a model."""

from vistune.evaluate.protocols.base import Protocol
from vistune.evaluate.protocols.catalogue import PROTOCOLS, own_protocol, protocol

__all__ = ["PROTOCOLS", "Protocol", "own_protocol", "protocol"]
