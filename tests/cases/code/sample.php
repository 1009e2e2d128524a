<?php

declare(strict_types=1);

namespace App\Mail;

use DateTimeImmutable;
use InvalidArgumentException;
use Psr\Log\LoggerInterface;

interface Transport
{
    public function send(Message $message): bool;
}

final class Message
{
    /** @var string[] */
    private array $recipients = [];

    public function __construct(
        private string $subject,
        private string $body,
        private ?DateTimeImmutable $sendAt = null,
    ) {
    }

    public function to(string ...$addresses): self
    {
        foreach ($addresses as $address) {
            if (filter_var($address, FILTER_VALIDATE_EMAIL) === false) {
                throw new InvalidArgumentException("Not an address: {$address}");
            }
            $this->recipients[] = strtolower($address);
        }

        return $this;
    }

    public function isDue(DateTimeImmutable $now): bool
    {
        return $this->sendAt === null || $this->sendAt <= $now;
    }

    public function recipients(): array
    {
        return array_values(array_unique($this->recipients));
    }
}

class Outbox
{
    private array $waiting = [];

    public function __construct(private Transport $transport, private LoggerInterface $logger)
    {
    }

    public function push(Message $message): void
    {
        $this->waiting[] = $message;
    }

    public function flush(DateTimeImmutable $now): int
    {
        $sent = 0;
        foreach ($this->waiting as $key => $message) {
            if (!$message->isDue($now)) {
                continue;
            }
            try {
                if ($this->transport->send($message)) {
                    unset($this->waiting[$key]);
                    $sent++;
                }
            } catch (\RuntimeException $error) {
                $this->logger->error('sending failed', ['reason' => $error->getMessage()]);
            }
        }

        return $sent;
    }
}

function plural(int $count, string $word): string
{
    return $count === 1 ? "1 $word" : "$count {$word}s";
}
