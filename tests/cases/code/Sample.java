package org.example.inventory;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Keeps what is in stock. */
public class Inventory implements AutoCloseable {
    private static final int LOW_STOCK = 5;

    private final Map<String, Item> items = new HashMap<>();
    private final List<Listener> listeners = new ArrayList<>();
    private boolean closed;

    public interface Listener {
        void changed(Item item, int before);
    }

    public record Item(String name, int count, double price) {
        public double value() {
            return count * price;
        }
    }

    public void add(String name, int count, double price) {
        if (closed) {
            throw new IllegalStateException("the inventory is closed");
        }
        Item before = items.get(name);
        int had = before == null ? 0 : before.count();
        Item item = new Item(name, had + count, price);
        items.put(name, item);
        for (Listener listener : listeners) {
            listener.changed(item, had);
        }
    }

    public Optional<Item> find(String name) {
        return Optional.ofNullable(items.get(name));
    }

    public List<Item> lowStock() {
        return items.values().stream()
                .filter(item -> item.count() < LOW_STOCK)
                .sorted(Comparator.comparing(Item::name))
                .collect(Collectors.toList());
    }

    public double total() {
        double sum = 0;
        for (Item item : items.values()) {
            sum += item.value();
        }
        return sum;
    }

    @Override
    public void close() {
        closed = true;
        listeners.clear();
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder("Inventory[");
        items.forEach((name, item) -> {
            text.append(name).append(" x").append(item.count());
            if (item.count() < LOW_STOCK) {
                text.append(" (low)");
            }
            text.append("; ");
        });
        return text.append(']').toString();
    }
}
